import JobModel
import Testing

@testable import Scheduling

@Suite("Search")
struct SearchTests {
    /// A cluster of ten CPUs and a job of so many tasks, all of which run.
    private static func running(
        _ count: Int, _ method: SearchPolicy.Method, _ direction: MetricGoal.Direction = .min,
        _ change: (inout JobSpec) -> Void = { _ in }
    ) -> Cluster {
        var cluster = Cluster()
        cluster.connect("n", [10])
        cluster.submit(count) {
            $0.search = SearchPolicy(method, MetricGoal(name: "loss", direction: direction))
            change(&$0)
        }
        let attempts = cluster.sent.map(\.attempt)
        cluster.apply(.started("n", attempts.map { cluster.start($0) }))
        return cluster
    }

    private static func record(_ index: Int, _ value: Double?, rung: Int = 0, attempt: Int = 1)
        -> RungRecord
    {
        RungRecord(
            attempt: .of("1_\(index).\(attempt)"), rung: rung, step: [1, 3, 9][rung],
            value: value, mean: value, best: value)
    }

    private static func reasons(_ cluster: Cluster) -> [String] {
        cluster.effects.flatMap { effect -> [String] in
            guard case .saveTasks(let changes) = effect else { return [] }
            return changes.compactMap { if case .stopping(_, let why) = $0 { why } else { nil } }
        }
    }

    @Test(
        "asha: of those that have come to a rung the best third goes on, and two have no best third"
    )
    func asha() {
        var cluster = Self.running(6, .asha)
        cluster.apply(.reached("n", [Self.record(0, 0.9), Self.record(1, 0.5)]))
        #expect(cluster.cancelled.isEmpty)
        cluster.apply(.reached("n", [Self.record(2, 0.4)]))
        #expect(cluster.cancelled.isEmpty)
        cluster.apply(.reached("n", [Self.record(3, 0.53)]))
        #expect(cluster.cancelled == ["n": [.of("1_3.1")]])
        #expect(
            Self.reasons(cluster) == [
                "stopped by asha at step 1: loss is 0.53, and the best of 4 tasks has at most 0.4"
            ])
        // Equals, and those that are no numbers, which are worse than any.
        cluster.apply(.reached("n", [Self.record(4, 0.4)]))
        #expect(cluster.cancelled.isEmpty)
        cluster.apply(.reached("n", [Self.record(5, nil)]))
        #expect(cluster.cancelled == ["n": [.of("1_5.1")]])
        #expect(Self.reasons(cluster)[0].hasSuffix("the best 2 of 6 tasks have at most 0.4"))
    }

    @Test("what is best may be large")
    func maximum() {
        var cluster = Self.running(3, .asha, .max)
        cluster.apply(.reached("n", [Self.record(0, 7), Self.record(1, 9), Self.record(2, 8)]))
        #expect(cluster.cancelled == ["n": [.of("1_2.1")]])
        #expect(Self.reasons(cluster)[0].hasSuffix("has at least 9"))
    }

    @Test("median: worse than the median of three others' averages at its best")
    func median() {
        var cluster = Self.running(5, .median)
        for index in 0..<3 {
            cluster.apply(.reached("n", [Self.record(index, 0.1 * Double(index + 1))]))
            #expect(cluster.cancelled.isEmpty, "two others are too few")
        }
        cluster.apply(.reached("n", [Self.record(3, 0.21)]))
        #expect(cluster.cancelled == ["n": [.of("1_3.1")]])
        #expect(
            Self.reasons(cluster) == [
                "stopped by median at step 1: its best loss is 0.21, and the median of 3 other tasks' averages is 0.2"
            ])
        // Of four, the worse of the two in the middle.
        cluster.apply(.reached("n", [Self.record(4, 0.21)]))
        #expect(cluster.cancelled.isEmpty)
    }

    /// Tasks 0 to 2 have gone on, and 3 is being stopped.
    private static func stopping() -> Cluster {
        var cluster = running(4, .asha)
        for (index, value) in [0.5, 0.45, 0.4, 0.9].enumerated() {
            cluster.apply(.reached("n", [record(index, value)]))
        }
        return cluster
    }

    @Test("a stopped task is as good as one that succeeded, and keeps its reason and its metrics")
    func end() throws {
        var cluster = Self.stopping()
        let next = cluster.submit(4, after: [JobDependency(condition: .each, job: JobID(1))])
        let after = cluster.submit(1, after: [JobDependency(condition: .ok, job: JobID(1))])
        cluster.end([.of("1_3.1")], .signal(15)) {
            $0.cancelled = true
            $0.metrics = ["loss": 0.9]
        }
        #expect(cluster.sentNames == ["2_3.1"])
        let ends = cluster.effects.flatMap { effect -> [(ExitRecord, TaskState)] in
            guard case .saveTasks(let changes) = effect else { return [] }
            return changes.compactMap {
                if case .ended(let end, let state, _, _) = $0 { (end, state) } else { nil }
            }
        }
        let (record, state) = try #require(ends.first)
        #expect(state == .stopped && record.metrics == ["loss": 0.9])
        #expect(record.stopped?.hasPrefix("stopped by asha at step 1") == true)
        #expect(cluster.counts(JobID(1)).stopped == 1)
        cluster.end([.of("1_0.1"), .of("1_1.1"), .of("1_2.1")])
        #expect(cluster.jobState(JobID(1)) == .succeeded)
        #expect(cluster.sentNames.contains("\(after)_0.1") && cluster.counts(next).cancelled == 0)
    }

    @Test(
        "however it ends, a task that was to be stopped is stopped; one that was done is done",
        arguments: [
            (Ending.code(1), false, TaskState.stopped), (.code(0), false, .succeeded),
            (.code(0), true, .stopped), (.lost("x"), false, .stopped),
            (.neverStarted, true, .stopped),
        ])
    func ends(status: Ending, cancelled: Bool, state: TaskState) {
        var cluster = Self.stopping()
        cluster.end([.of("1_3.1")], status) { $0.cancelled = cancelled }
        #expect(cluster.state.taskState(TaskID(job: JobID(1), index: 3)) == state)
    }

    @Test("its node forgets it, and it is stopped all the same")
    func forgotten() {
        var cluster = Self.stopping()
        cluster.connect(
            "n", [10], agent: "b", launcher: "m", boot: "c", accepted: [.of("1_0.1")],
            started: [cluster.start(.of("1_0.1"))])
        #expect(cluster.state.taskState(TaskID(job: JobID(1), index: 3)) == .stopped)
        #expect(cluster.counts(JobID(1)).lost == 2)
    }

    @Test("who cancels is obeyed first")
    func cancelled() {
        var cluster = Self.stopping()
        cluster.apply(.cancelRequested(TaskSelection(job: JobID(1), ranges: [3..<4])))
        cluster.end([.of("1_3.1")], .signal(15)) { $0.cancelled = true }
        #expect(cluster.counts(JobID(1)).cancelled == 1)
    }

    @Test(
        "a rung is judged once: records that come again, of older attempts or of no rung change nothing"
    )
    func once() {
        var cluster = Self.stopping()
        cluster.apply(.reached("n", [Self.record(3, 0.9), Self.record(0, 7)]))
        cluster.apply(.reached("n", [Self.record(1, 1, rung: 1, attempt: 2)]))
        #expect(cluster.effects.isEmpty)
        // Run again because a person wants it, it is judged from its next rung on.
        cluster.end([.of("1_3.1")], .signal(15)) { $0.cancelled = true }
        cluster.apply(.retryRequested(TaskSelection(job: JobID(1)), [.stopped]))
        #expect(cluster.sentNames == ["1_3.2"])
        cluster.apply(.reached("n", [Self.record(3, 0.9, attempt: 2)]))
        #expect(cluster.cancelled.isEmpty)
        cluster.apply(
            .reached(
                "n",
                [Self.record(0, 0.2, rung: 1), Self.record(1, 0.1, rung: 1)]
                    + [Self.record(3, 0.8, rung: 1, attempt: 2)]))
        #expect(cluster.cancelled == ["n": [.of("1_3.2")]])
    }

    @Test("values of tasks that have ended count")
    func late() {
        var cluster = Self.running(3, .asha)
        cluster.end([.of("1_0.1"), .of("1_1.1")])
        cluster.apply(.reached("n", [Self.record(0, 0.1), Self.record(1, 0.2)]))
        cluster.apply(.reached("n", [Self.record(2, 0.3)]))
        #expect(cluster.cancelled == ["n": [.of("1_2.1")]])
    }

    @Test("rungs lie at min and its powers or multiples, below max")
    func rungs() {
        var policy = SearchPolicy(.asha, MetricGoal(name: "a", direction: .min))
        policy.max = 27
        #expect((0..<5).map { policy.step(ofRung: $0) } == [1, 3, 9, nil, nil])
        policy.method = .median
        policy.min = 10
        #expect((0..<4).map { policy.step(ofRung: $0) } == [10, 20, nil, nil])
        policy.max = nil
        #expect(policy.step(ofRung: 999) == 10_000 && policy.step(ofRung: 1000) == nil)
    }

    @Test("a task's values are told at rungs alone, with their mean and their best")
    func progress() {
        var policy = SearchPolicy(.asha, MetricGoal(name: "a", direction: .min))
        policy.min = 2
        policy.reduction = 2
        var progress = RungProgress(policy, .of("1_0.1"))
        #expect(progress.observe(step: nil, value: 4).isEmpty)
        let first = progress.observe(step: nil, value: 2)
        #expect(first.map(\.rung) == [0] && first[0].mean == 3 && first[0].best == 2)
        // It may come to several at once, and what is no number spoils the mean.
        let more = progress.observe(step: 9, value: .nan)
        #expect(more.map(\.rung) == [1, 2] && more.map(\.value) == [nil, nil])
        #expect(more[1].mean == nil && more[1].best == 2 && more[1].step == 9)
        #expect(progress.records.count == 3)
    }
}
