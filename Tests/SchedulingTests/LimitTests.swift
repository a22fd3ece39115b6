import JobModel
import Testing

@testable import Scheduling

@Suite("Limits")
struct LimitTests {
    /// A cluster of ten CPUs and a job of so many tasks, of which five have taken ten seconds each.
    private static func measured(_ count: Int, _ change: (inout JobSpec) -> Void = { _ in })
        -> (Cluster, [AttemptID])
    {
        var cluster = Cluster()
        cluster.connect("n", [10])
        cluster.submit(count) {
            $0.limits.timeOverMedian = 3
            change(&$0)
        }
        let attempts = cluster.sent.map(\.attempt)
        cluster.apply(.started("n", attempts.map { cluster.start($0) }))
        cluster.wait(10_000)
        cluster.end(Array(attempts.prefix(5)))
        return (cluster, Array(attempts.dropFirst(5)))
    }

    private static func wakes(_ cluster: Cluster) -> [Timestamp] {
        cluster.effects.compactMap { if case .wake(let time) = $0 { time } else { nil } }
    }

    @Test("a multiple of the median holds once five tasks succeeded, for those that run, too")
    func median() {
        var (cluster, running) = Self.measured(6)
        #expect(Self.wakes(cluster).map(\.milliseconds) == [1_030_000])
        cluster.wait(20_000 - 1)
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty)
        cluster.wait(1)
        cluster.apply(.tick)
        #expect(cluster.cancelled == ["n": running])
        #expect(
            cluster.effects.contains {
                guard case .saveTasks(let changes) = $0 else { return false }
                return changes.contains { if case .overdue = $0 { true } else { false } }
            })
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty, "once is enough")
        // The node tells of a stop, and the job takes it for what it was.
        cluster.end(running, .signal(15)) { $0.cancelled = true }
        #expect(cluster.counts(JobID(1)).failed == 1)
        let told = cluster.effects.flatMap { effect -> [ExitRecord] in
            guard case .saveTasks(let changes) = effect else { return [] }
            return changes.compactMap { if case .ended(let end, _, _, _) = $0 { end } else { nil } }
        }
        #expect(told.map(\.timedOut) == [true] && told.map(\.timeLimit) == [30_000])
    }

    private static func told(_ cluster: Cluster) -> [Int64?] { cluster.sent.map(\.time) }

    @Test(
        "a node is told of a multiple of the median in time for a warning, once, and the limit stands then"
    )
    func warning() {
        var (cluster, running) = Self.measured(6) { $0.stop.before = 5000 }
        #expect(Self.wakes(cluster).map(\.milliseconds) == [1_025_000])
        cluster.wait(15_000 - 1)
        cluster.apply(.tick)
        #expect(cluster.sent.isEmpty)
        cluster.wait(1)
        cluster.apply(.tick)
        #expect(cluster.sent.map(\.attempt) == running && Self.told(cluster) == [30_000])
        #expect(Self.wakes(cluster).map(\.milliseconds) == [1_030_000])
        cluster.apply(.tick)
        #expect(cluster.sent.isEmpty, "once is enough")
        // Told again by the hello of a link that broke.
        cluster.connect("n", [10], accepted: running, started: running.map { cluster.start($0) })
        #expect(Self.told(cluster) == [30_000])
        // A node that knows no such thing leaves the end to the head.
        cluster.wait(5000)
        cluster.apply(.tick)
        #expect(cluster.cancelled == ["n": running])
        cluster.end(running, .code(3)) { $0.timedOut = true }
        let ends = cluster.effects.flatMap { effect -> [ExitRecord] in
            guard case .saveTasks(let changes) = effect else { return [] }
            return changes.compactMap { if case .ended(let end, _, _, _) = $0 { end } else { nil } }
        }
        #expect(ends.map(\.timeLimit) == [30_000])
    }

    @Test(
        "what is shorter than the warning, or later than the limit that the node knows, is not told"
    )
    func noWarning() {
        for change in [
            { (spec: inout JobSpec) in spec.stop.before = 30_000 },
            { (spec: inout JobSpec) in (spec.stop.before, spec.limits.time) = (5000, 25_000) },
        ] {
            var (cluster, running) = Self.measured(6, change)
            cluster.wait(17_000)
            cluster.apply(.tick)
            #expect(cluster.sent.isEmpty)
            cluster.wait(3000)
            cluster.apply(.tick)
            #expect(cluster.cancelled == ["n": running])
        }
    }

    @Test("all nodes of a task on several are told")
    func gangWarning() {
        var cluster = Cluster()
        for name in ["a", "b"] { cluster.connect(name, [6]) }
        cluster.submit(6) {
            $0.limits.timeOverMedian = 3
            $0.stop.before = 5000
            $0.resources.nodes = 2
        }
        let attempts = Set(cluster.sent.map(\.attempt)).sorted { $0.task < $1.task }
        for name in ["a", "b"] { cluster.apply(.started(name, attempts.map { cluster.start($0) })) }
        cluster.wait(10_000)
        for name in ["a", "b"] { cluster.end(Array(attempts.prefix(5)), on: name) }
        cluster.wait(15_000)
        cluster.apply(.tick)
        #expect(cluster.sent.map(\.placement.node).sorted() == ["a", "b"])
        #expect(Self.told(cluster) == [30_000, 30_000])
    }

    @Test("four tasks say nothing yet")
    func tooFew() {
        var cluster = Cluster()
        cluster.connect("n", [10])
        cluster.submit(5) { $0.limits.timeOverMedian = 3 }
        let attempts = cluster.sent.map(\.attempt)
        cluster.apply(.started("n", attempts.map { cluster.start($0) }))
        cluster.end(Array(attempts.prefix(4)))
        cluster.wait(1_000_000)
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty)
    }

    @Test("a task that passed the multiple is tried again with more time, which its node keeps")
    func retried() {
        var (cluster, running) = Self.measured(6) {
            $0.retry.attempts = 2
            $0.retry.on = [.timeout]
            $0.retry.timeFactor = 2
        }
        cluster.wait(20_000)
        cluster.apply(.tick)
        cluster.end(running, .signal(15)) { $0.cancelled = true }
        #expect(cluster.sentNames == ["1_5.2"] && cluster.sent.map(\.time) == [60_000])
        cluster.apply(.started("n", [cluster.start(.of("1_5.2"))]))
        cluster.wait(1_000_000)
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty)
    }

    @Test("a task that is being stopped stays so over a restart, and over its node's new line")
    func restarted() {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.limits.timeOverMedian = 3
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: spec, taskCount: 1, submitted: Timestamp(milliseconds: 0)))
        job.isWhole = true
        var task = RestoredJob.Task(
            index: 0, state: .running, budget: TaskBudget(attempt: 1),
            placement: Placement(node: "n", cpus: [0], numaNodes: [0]), cancelRequested: false)
        task.isOverdue = true
        job.tasks = [task]
        let attempt = AttemptID.of("1_0.1")
        for endsBefore in [false, true] {
            var cluster = Cluster()
            _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
            var record = cluster.record(attempt, .signal(15))
            record.cancelled = true
            if endsBefore {
                cluster.connect(exited: [record])
            } else {
                cluster.connect(accepted: [attempt], started: [cluster.start(attempt)])
                #expect(cluster.cancelled == ["n": [attempt]])
                cluster.apply(.exited("n", [record]))
            }
            #expect(cluster.counts(JobID(1)).failed == 1)
        }
    }

    @Test("the median of a restored job is that of its rows")
    func restoredMedian() {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.limits.timeOverMedian = 2
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: spec, taskCount: 8, submitted: Timestamp(milliseconds: 0)))
        job.isWhole = true
        job.tasks = (0..<7).map { index in
            var task = RestoredJob.Task(
                index: index, state: index < 6 ? .succeeded : .failed,
                budget: TaskBudget(attempt: 1), placement: nil, cancelRequested: false,
                ended: Timestamp(milliseconds: Int64(index + 1) * 1000))
            task.started = Timestamp(milliseconds: 0)
            return task
        }
        var cluster = Cluster()
        _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
        #expect(cluster.state.job(JobID(1))?.medianLimit == 8000)
    }

    @Test("limits.total ends the job as a whole, counted from its first start")
    func total() {
        var cluster = Cluster()
        let job = cluster.submit(5) { $0.limits.total = 60_000 }
        cluster.wait(500_000)
        cluster.connect("n", [2])
        let attempts = cluster.sent.map(\.attempt)
        cluster.apply(.started("n", attempts.map { cluster.start($0) }))
        cluster.wait(60_000)
        cluster.apply(.tick)
        #expect(cluster.counts(job).cancelled == 3 && cluster.cancelled == ["n": attempts])
        cluster.end(attempts, .signal(15)) { $0.cancelled = true }
        #expect(cluster.jobState(job) == .failed)
        #expect(cluster.standing(job).reason == "it ran for longer than 1 min: limits.total")
        // Who wants it to go on gives it as long again.
        cluster.apply(.retryRequested(TaskSelection(job: job), [.cancelled]))
        #expect(cluster.sent.count == 2)
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty)
        cluster.wait(60_000)
        cluster.apply(.tick)
        #expect(cluster.cancelled.count == 1)
    }

    @Test("a hopeless job ends early, and tells of its first failure")
    func firstFailure() {
        var cluster = Cluster()
        cluster.connect("n", [1])
        let job = cluster.submit(100) { $0.limits.failures = .percent(1) }
        cluster.end([.of("1_0.1")], .code(2))
        #expect(
            cluster.effects.contains { if case .saveJob = $0 { true } else { false } },
            "the first failure is to survive a restart")
        cluster.end([.of("1_1.1")], .code(3))
        #expect(cluster.counts(job).cancelled == 98)
        #expect(
            cluster.standing(job).reason
                == "2 tasks failed: limits.failures is passed; the first was 1_0: exit code 2")
    }
}
