import JobModel
import Simulation
import Testing

@testable import Scheduling

@Suite("Simulation")
struct ScenarioTests {
    static func group(_ name: String, _ count: Int, cores: Int = 8, gpus: Int = 0) -> NodeGroup {
        var group = NodeGroup(name: name)
        group.count = count
        group.packages = 2
        group.numaNodes = 2
        group.cores = cores
        group.memory = 64 << 30
        group.gpus.count = gpus
        return group
    }

    static func job(
        _ name: String, _ count: Int, cpus: Int = 1, gpus: Int = 0, _ duration: TaskDuration,
        _ change: (inout JobSpec) -> Void = { _ in }
    ) -> Scenario.Job {
        var spec = JobSpec(name: name, image: "host", command: ["true"])
        spec.resources.cpus = cpus
        spec.resources.gpus.count = gpus
        change(&spec)
        return Scenario.Job(spec, taskCount: count, duration: duration)
    }

    @Test("equal tasks fill a cluster wave by wave, and the figures are those of arithmetic")
    func waves() throws {
        let outcome = ScenarioRun.outcome(
            of: Scenario(
                nodes: Self.group("n", 2).nodes(),
                jobs: [Self.job("a", 40, .constant(60_000))]))
        // 16 at once: 16, 16 and 8.
        #expect(outcome.makespan == 180)
        let used = 40.0 / 48
        #expect(abs(outcome.utilisation.cpu - used) < 1e-9)
        #expect(outcome.utilisation.gpu == nil)
        let waited = Double(16 * 60 + 8 * 120) / 40
        #expect(outcome.waiting.mean == waited)
        #expect(outcome.waiting.p95 == 120)
        #expect(outcome.decisions == 40)
        #expect(outcome.jobs.map(\.state) == [.succeeded])
        #expect(outcome.jobs[0].cpuHours == 40.0 / 60)
    }

    @Test("what cannot run is told, and the rest ends")
    func impossible() {
        let outcome = ScenarioRun.outcome(
            of: Scenario(
                nodes: Self.group("n", 1).nodes(),
                jobs: [
                    Self.job("huge", 1, cpus: 100, .constant(1000)),
                    Self.job("small", 3, .constant(1000)),
                ]))
        #expect(outcome.jobs.map(\.state) == [.held, .succeeded])
        #expect(outcome.jobs[0].reason == "needs 100 CPUs, the largest node has 8")
    }

    @Test("a time limit ends tasks that run longer")
    func timeLimit() {
        let outcome = ScenarioRun.outcome(
            of: Scenario(
                nodes: Self.group("n", 1).nodes(),
                jobs: [Self.job("a", 100, .uniform(1000, 3000)) { $0.limits.time = 2000 }]))
        let counts = outcome.jobs[0].counts
        #expect(counts.failed > 20 && counts.succeeded > 20)
        #expect(counts.finished == 100)
    }

    @Test("jobs that wait for others start after them")
    func dependencies() throws {
        var after = Self.job("second", 1, .constant(1000)) {
            $0.after = [Dependency(condition: .ok, job: "first")]
        }
        after.submitted = 10
        let outcome = ScenarioRun.outcome(
            of: Scenario(
                nodes: Self.group("n", 1).nodes(),
                jobs: [Self.job("first", 20, .constant(5000)), after]))
        #expect(outcome.jobs[1].started == outcome.jobs[0].ended)
    }

    /// Two kinds of nodes that fail often, and jobs of all sorts.
    static func troubled(_ seed: UInt64) -> Scenario {
        var groups = [group("cpu", 6), group("gpu", 3, cores: 16, gpus: 4)]
        for place in groups.indices {
            groups[place].failures = NodeFailures(meanBetween: 3_600_000, meanRepair: 600_000)
        }
        var jobs = [
            job("small", 300, .lognormal(median: 120_000, sigma: 1)) { $0.retry.attempts = 3 },
            job("wide", 40, cpus: 6, .uniform(60_000, 900_000)) { $0.priority = 5 },
            job("gpu", 60, cpus: 2, gpus: 1, .constant(400_000)) {
                $0.retry.attempts = 2
                $0.limits.parallel = 7
            },
            job("short", 300, .uniform(20, 200)) { $0.retry.attempts = 5 },
        ]
        for place in jobs.indices { jobs[place].submitted = Int64(place) * 100_000 }
        return Scenario(nodes: groups.flatMap { $0.nodes() }, jobs: jobs, seed: seed)
    }

    @Test("through the loss of nodes every task ends exactly once", arguments: 1...5)
    func conservation(seed: Int) {
        let scenario = Self.troubled(UInt64(seed))
        let outcome = ScenarioRun.outcome(of: scenario)
        #expect(outcome.nodeFailures > 0)
        #expect(outcome.jobs.count == scenario.jobs.count)
        for (job, given) in zip(outcome.jobs, scenario.jobs) {
            #expect(job.counts.total == given.taskCount)
            #expect(job.counts.finished == given.taskCount, "\(job.name): \(job.counts)")
            #expect(job.state.isFinal)
            #expect(job.counts.failed + job.counts.cancelled == 0)
        }
        // Whoever was not lost for good was started once for each time that a node went away under it, and once more.
        let ended = outcome.jobs.reduce(0) { $0 + $1.counts.succeeded + $1.counts.lost }
        #expect(outcome.decisions <= ended + outcome.lostAttempts)
        let lost = outcome.jobs.reduce(0) { $0 + $1.counts.lost }
        #expect(outcome.decisions >= ended - lost)
        #expect(lost <= outcome.lostAttempts)
    }

    @Test("the same seed gives the same outcome, another one another", arguments: 1...2)
    func seeds(seed: Int) throws {
        func figures(_ seed: UInt64) -> [Double] {
            let outcome = ScenarioRun.outcome(of: Self.troubled(seed))
            return [outcome.makespan, outcome.utilisation.cpu, outcome.waiting.mean]
                + outcome.jobs.flatMap { [$0.ended ?? -1, $0.waiting.p95, $0.cpuHours] }
        }
        #expect(figures(UInt64(seed)) == figures(UInt64(seed)))
        #expect(figures(UInt64(seed)) != figures(UInt64(seed) + 100))
    }

    @Test("in which order nodes are named makes no difference", arguments: 1...2)
    func permutation(seed: Int) {
        let scenario = Self.troubled(UInt64(seed))
        var shuffled = scenario
        var random = SplitMix(seed: UInt64(seed))
        shuffled.nodes.shuffle(using: &random)
        // Jobs have their order from the time of their submission.
        shuffled.jobs.shuffle(using: &random)
        let (first, second) = (
            ScenarioRun.outcome(of: scenario), ScenarioRun.outcome(of: shuffled)
        )
        #expect(first.makespan == second.makespan)
        #expect(first.jobs.map(\.ended) == second.jobs.map(\.ended))
        #expect(first.chart?.text(width: 80) == second.chart?.text(width: 80))
    }

    @Test("with time limits small jobs fill the gaps before a large one, and it is no later for it")
    func backfill() {
        func outcome(_ withSmall: Bool) -> ScenarioOutcome {
            var large = Self.job("large", 1, cpus: 16, .constant(600_000)) {
                $0.limits.time = 600_000
                $0.priority = 1
                $0.resources.numa = .none
            }
            large.submitted = 1000
            var small = Self.job("small", 400, .uniform(10_000, 50_000)) {
                $0.limits.time = 60_000
            }
            small.submitted = 2000
            let first = Self.job("first", 9, cpus: 1, .uniform(100_000, 800_000)) {
                $0.limits.time = 800_000
            }
            return ScenarioRun.outcome(
                of: Scenario(
                    nodes: Self.group("n", 1, cores: 16).nodes(),
                    jobs: [first, large] + (withSmall ? [small] : []), seed: 3))
        }
        let (alone, among) = (outcome(false), outcome(true))
        #expect(among.jobs[1].started == alone.jobs[1].started)
        let before = among.jobs[2].counts.total
        #expect(before == 400)
        let most = alone.makespan + 1250
        #expect(among.makespan < most)
    }

    @Test("a drawing has a line a node, as wide as is asked for, and marks nodes that were away")
    func drawing() throws {
        let chart = try #require(ScenarioRun.outcome(of: Self.troubled(2)).chart)
        for width in [80, 200] {
            let lines = chart.text(width: width).split(separator: "\n")
            #expect(lines.filter { $0.hasPrefix("cpu-") || $0.hasPrefix("gpu-") }.count == 9)
            #expect(lines.prefix(9).allSatisfy { $0.count == width })
            #expect(lines.allSatisfy { $0.count <= width })
            #expect(lines.contains { $0.contains("x") })
        }
        let coloured = chart.text(width: 80) { text, slot in "<\(slot ?? -1)>\(text)" }
        #expect(coloured.contains("<0>█"))
        #expect(chart.text(width: 80, height: 4).contains("cpu-1…3"))
        let svg = chart.svg()
        #expect(svg.hasPrefix("<svg xmlns=") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains(">3 gpu</text>"))
    }

    @Test("a queued task costs no memory that anybody would notice")
    func queue() {
        var state = ServerState()
        var spec = JobSpec(name: "a", image: "host", command: ["true"])
        spec.resources.cpus = 1
        let now = Timestamp(milliseconds: 0)
        _ = state.apply(
            .submitted(NewJob(id: JobID(1), spec: spec, taskCount: 1_000_000, submitted: now)),
            now: now)
        let job = state.job(JobID(1))
        #expect(job?.counts.queued == 1_000_000)
        #expect(job?.tasks.untouchedFrom == 0)
        #expect(job?.again.isEmpty == true && job?.history.isEmpty == true)
    }
}
