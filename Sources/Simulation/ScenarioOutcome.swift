public import JobModel
import Scheduling

/// What came of a scenario. Field names are the public schema of `martlet simulate --json`; times are in seconds, shares in 0 ... 1.
public struct ScenarioOutcome: Sendable, Codable {
    public struct Waiting: Sendable, Hashable, Codable {
        public var mean: Double
        public var p95: Double
        public var longest: Double
    }
    /// A share of what there was; nil for GPUs where there are none.
    public struct Share: Sendable, Hashable, Codable {
        public var cpu: Double
        @OrNull public var gpu: Double?
    }
    public struct Job: Sendable, Codable {
        public var id: JobID
        public var name: String
        public var state: JobState
        /// Why it did not end; nil where it did.
        @OrNull public var reason: String?
        public var counts: TaskCounts
        public var submitted: Double
        @OrNull public var started: Double?
        @OrNull public var ended: Double?
        public var waiting: Waiting
        public var cpuHours: Double
        public var gpuHours: Double
    }

    public var schema = JobModel.schemaVersion
    public var seed: UInt64
    public var nodes: Int
    public var cpus: Int
    public var gpus: Int
    /// From the first submission to the last end.
    public var makespan: Double
    public var utilisation: Share
    /// What stood idle while tasks were ready that it could not serve, of what there was meanwhile.
    public var fragmentation: Share
    /// From a job's submission to the start of each task.
    public var waiting: Waiting
    public var nodeFailures: Int
    /// Attempts that ended with their node.
    public var lostAttempts: Int
    /// Attempts that were placed and started.
    public var decisions: Int
    /// Of wall-clock time; put in by whoever has a clock.
    @OrNull public var decisionsPerSecond: Double?
    public var jobs: [Job]
    /// For drawings; not part of the schema.
    public var chart: Chart?

    enum CodingKeys: String, CodingKey {
        case schema, seed, nodes, cpus, gpus, makespan, utilisation, fragmentation, waiting
        case nodeFailures, lostAttempts, decisions, decisionsPerSecond, jobs
    }
}

extension ScenarioOutcome {
    init(_ run: ScenarioRun) {
        let meter = run.meter
        let first = run.state.allJobs.map(\.submitted.milliseconds).min() ?? 0
        seed = run.seed
        nodes = run.nodes.count
        cpus = run.nodes.reduce(0) { $0 + $1.inventory.cpuCount }
        gpus = run.nodes.reduce(0) { $0 + $1.inventory.gpus.count }
        makespan = max(0, Double(meter.lastEnd.milliseconds - first)) / 1000
        utilisation = Self.share(meter.used, of: meter.offered, gpus)
        fragmentation = Self.share(meter.idleWhileWaiting, of: meter.offeredWhileWaiting, gpus)
        waiting = Waiting(of: meter.waits.values.flatMap { $0 })
        nodeFailures = meter.nodeFailures
        lostAttempts = meter.lost
        decisions = meter.attempts
        jobs = run.state.allJobs.map { Job($0, run) }
        chart = Chart(run)
    }

    private static func share(_ part: Meter.Amount, of whole: Meter.Amount, _ gpus: Int) -> Share {
        Share(
            cpu: whole.cpus > 0 ? part.cpus / whole.cpus : 0,
            gpu: gpus > 0 && whole.gpus > 0 ? part.gpus / whole.gpus : gpus > 0 ? 0 : nil)
    }
}

extension ScenarioOutcome.Waiting {
    /// - Parameter waits: milliseconds.
    init(of waits: [Int64]) {
        let ordered = waits.sorted()
        guard let last = ordered.last else {
            self.init(mean: 0, p95: 0, longest: 0)
            return
        }
        let sum = ordered.reduce(0.0) { $0 + Double($1) }
        // The nearest rank.
        let rank = (ordered.count * 95 + 99) / 100 - 1
        self.init(
            mean: sum / Double(ordered.count) / 1000, p95: Double(ordered[rank]) / 1000,
            longest: Double(last) / 1000)
    }
}

extension ScenarioOutcome.Job {
    init(_ job: JobRecord, _ run: ScenarioRun) {
        id = job.id
        name = job.name
        counts = job.counts
        let standing = run.state.standing(of: job.id, now: run.now)
        state = standing.state
        reason = standing.reason
        submitted = Double(job.submitted.milliseconds) / 1000
        started = job.started.map { Double($0.milliseconds) / 1000 }
        ended = job.ended.map { Double($0.milliseconds) / 1000 }
        waiting = ScenarioOutcome.Waiting(of: run.meter.waits[job.id] ?? [])
        let use = run.meter.jobUse[job.id] ?? Meter.Amount()
        cpuHours = use.cpus / 3_600_000
        gpuHours = use.gpus / 3_600_000
    }
}
