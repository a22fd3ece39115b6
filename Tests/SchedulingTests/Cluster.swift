import JobModel

@testable import Scheduling

/// A cluster for tests: nodes, jobs, and what came of asking.
struct Cluster {
    var state = ServerState()
    var now = Timestamp(milliseconds: 1_000_000)
    var effects: [Effect] = []
    private var nextJob: Int64 = 1

    static func inventory(_ numa: [Int], memory: Int64 = 8 << 30, gpus: Int = 0) -> NodeInventory {
        var first = 0
        let nodes = numa.enumerated().map { id, cpus in
            defer { first += cpus }
            return NodeInventory.NUMANode(
                id: id, cpus: Array(first..<first + cpus), memory: memory / Int64(numa.count))
        }
        return NodeInventory(
            hostname: "n", numaNodes: nodes,
            gpus: (0..<gpus).map { NodeInventory.GPU(id: "GPU-\($0)") })
    }

    @discardableResult
    mutating func apply(_ events: ServerEvent...) -> [Effect] {
        effects = state.apply(events, now: now)
        return effects
    }

    mutating func connect(
        _ name: String = "n", _ numa: [Int] = [2], memory: Int64 = 8 << 30, gpus: Int = 0,
        agent: String = "a", launcher: String = "l", boot: String = "b",
        accepted: [AttemptID] = [],
        started: [StartRecord] = [], exited: [ExitRecord] = []
    ) {
        apply(
            .nodeConnected(
                name,
                NodeHello(
                    inventory: Self.inventory(numa, memory: memory, gpus: gpus),
                    incarnation: NodeIncarnation(
                        agentEpoch: agent, launcherEpoch: launcher, bootID: boot),
                    accepted: accepted, started: started, exited: exited)))
    }

    @discardableResult
    mutating func submit(
        _ count: Int, cpus: Int = 1, after: [JobDependency] = [],
        _ change: (inout JobSpec) -> Void = { _ in }
    ) -> JobID {
        let id = JobID(nextJob)
        nextJob += 1
        var spec = JobSpec(name: "job\(id)", image: "host", command: ["true"])
        spec.resources.cpus = cpus
        change(&spec)
        apply(
            .submitted(
                NewJob(
                    id: id, spec: spec, taskCount: count, submitted: now, dependencies: after)))
        return id
    }

    mutating func wait(_ milliseconds: Int64) {
        now = Timestamp(milliseconds: now.milliseconds + milliseconds)
    }

    /// Attempts that the last events sent to nodes.
    var sent: [Dispatch] {
        effects.flatMap { effect -> [Dispatch] in
            if case .run(_, _, let dispatches) = effect { dispatches } else { [] }
        }
    }

    var sentNames: [String] { sent.map(\.attempt.description) }

    /// What the last events told nodes to end, by node.
    var cancelled: [String: [AttemptID]] {
        told { if case .cancel(let node, let attempts) = $0 { (node, attempts) } else { nil } }
    }

    /// Records that the last events let nodes forget, by node.
    var acknowledged: [String: [AttemptID]] {
        told { if case .acknowledge(let node, let ids) = $0 { (node, ids) } else { nil } }
    }

    /// What the last events asked back from nodes, by node.
    var recalled: [String: [AttemptID]] {
        told { if case .recall(let node, let attempts) = $0 { (node, attempts) } else { nil } }
    }

    private func told(_ what: (Effect) -> (String, [AttemptID])?) -> [String: [AttemptID]] {
        Dictionary(effects.compactMap(what), uniquingKeysWith: +)
    }

    @discardableResult
    mutating func end(
        _ attempts: [AttemptID], on node: String = "n", _ status: ExitStatus = .code(0),
        took: Int64 = 10_000, _ change: (inout ExitRecord) -> Void = { _ in }
    ) -> [Effect] {
        apply(.exited(node, attempts.map { record($0, status, took: took, change) }))
    }

    func record(
        _ attempt: AttemptID, _ status: ExitStatus, took: Int64 = 10_000,
        _ change: (inout ExitRecord) -> Void = { _ in }
    ) -> ExitRecord {
        var record = ExitRecord(attempt: attempt, status: status, ended: now)
        if status != .neverStarted {
            record.started = Timestamp(milliseconds: now.milliseconds - took)
        }
        change(&record)
        return record
    }

    func start(_ attempt: AttemptID) -> StartRecord {
        StartRecord(
            attempt: attempt, started: now,
            enforcement: Enforcement(cpu: "none", memory: "none", pids: "none"))
    }

    func counts(_ job: JobID) -> TaskCounts { state.job(job)?.counts ?? TaskCounts() }
    func standing(_ job: JobID) -> (state: JobState, reason: String?) {
        state.standing(of: job, now: now)
    }
    func jobState(_ job: JobID) -> JobState? { state.job(job)?.state }
}

extension AttemptID {
    static func of(_ text: String) -> AttemptID {
        AttemptID(text) ?? AttemptID(task: TaskID(job: JobID(0), index: 0), number: 1)
    }
}

/// `ExitStatus`, where Testing has one of its own.
typealias Ending = ExitStatus
