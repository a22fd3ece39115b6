import JobModel
import Testing

@testable import Scheduling

@Suite("Retry by cause")
struct RetryPolicyTests {
    @Test("a range of exit codes holds its ends, and nothing beside them")
    func exitRange() {
        for (code, retries) in [(63, false), (64, true), (70, true), (78, true), (79, false)] {
            var cluster = Cluster()
            cluster.connect()
            cluster.submit(1) {
                $0.retry.attempts = 2
                $0.retry.on = [.exit(1), .exitRange(64...78)]
            }
            cluster.end([.of("1_0.1")], .code(Int32(code)))
            #expect(cluster.sentNames == (retries ? ["1_0.2"] : []), "exit \(code)")
        }
    }

    @Test("attempts that go with their nodes are not counted, and neither are they without end")
    func losses() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1) { $0.retry.attempts = 2 }
        for number in 1...RetryPolicy.mostLosses {
            cluster.end([.of("1_0.\(number)")], .lost("the launcher died"))
            #expect(cluster.sentNames == ["1_0.\(number + 1)"])
        }
        // The one failure that its policy allows is still there.
        cluster.end([.of("1_0.11")], .code(1))
        #expect(cluster.sentNames == ["1_0.12"])
        cluster.end([.of("1_0.12")], .lost("the launcher died"))
        #expect(cluster.counts(job).lost == 1)
        // Whoever asks for it again begins anew.
        cluster.apply(.retryRequested(TaskSelection(job: job), [.lost]))
        cluster.end([.of("1_0.13")], .lost("the launcher died"))
        #expect(cluster.sentNames == ["1_0.14"])
    }

    @Test("after passing its time limit the next attempt has more, each time")
    func moreTime() {
        var cluster = Cluster()
        cluster.connect()
        cluster.submit(1) {
            $0.limits.time = 1000
            $0.retry.attempts = 4
            $0.retry.timeFactor = 2
        }
        #expect(cluster.sent.map(\.time) == [nil])
        for (number, time) in [(1, 2000), (2, 4000)] as [(Int, Int64)] {
            cluster.end([.of("1_0.\(number)")], .signal(15)) { $0.timedOut = true }
            #expect(cluster.sent.map(\.time) == [time])
        }
        // Another failure does not take it back.
        cluster.end([.of("1_0.3")], .code(1))
        #expect(cluster.sent.map(\.time) == [4000])
    }

    @Test("waits differ by chance, by no more than was said, and the same way each time")
    func jitter() {
        let backoff = RetryPolicy.Backoff(initial: 1000, factor: 2, max: 5000, jitter: 0.2)
        let tasks = (0..<200).map { TaskID(job: JobID(3), index: $0) }
        let delays = tasks.map { backoff.delay(before: 3, of: $0) }
        #expect(delays.allSatisfy { (1600...2400).contains($0) })
        #expect(Set(delays).count > 100)
        #expect(delays.min() ?? 0 < 1700 && delays.max() ?? 0 > 2300)
        #expect(delays == tasks.map { backoff.delay(before: 3, of: $0) })
        #expect(tasks.allSatisfy { backoff.delay(before: 9, of: $0) <= 5000 }, "the cap holds")
    }

    @Test("a restart forgets neither losses nor raised times, and waits on as before")
    func restored() {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.retry.attempts = 2
        spec.retry.backoff = .init(initial: 10_000, jitter: 0.5)
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: spec, taskCount: 1, submitted: Timestamp(milliseconds: 0)))
        job.isWhole = true
        let budget = TaskBudget(attempt: 11, losses: RetryPolicy.mostLosses, time: 7000)
        job.tasks = [
            .init(
                index: 0, state: .queued, budget: budget, placement: nil, cancelRequested: false,
                ended: Timestamp(milliseconds: 900_000))
        ]
        var cluster = Cluster()
        let wait = spec.retry.backoff.delay(before: 11, of: TaskID(job: JobID(1), index: 0))
        cluster.now = Timestamp(milliseconds: 900_000)
        _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
        cluster.connect()
        cluster.wait(wait - 1)
        cluster.apply(.tick)
        #expect(cluster.sent.isEmpty)
        cluster.wait(1)
        cluster.apply(.tick)
        #expect(cluster.sentNames == ["1_0.12"] && cluster.sent.map(\.time) == [7000])
        cluster.end([.of("1_0.12")], .lost("the launcher died"))
        #expect(cluster.counts(JobID(1)).lost == 1)
    }

    // MARK: Nodes that are left out

    private static func pair(_ change: (inout JobSpec) -> Void = { _ in }) -> Cluster {
        var cluster = Cluster()
        cluster.connect("a", [1])
        cluster.connect("b", [1])
        cluster.submit(10) {
            $0.retry.attempts = 5
            $0.retry.excludeNode = [.exit(75), .log("ECC")]
            change(&$0)
        }
        return cluster
    }

    @Test("a node on which a task ended as the policy says gets no more of that job, and says why")
    func excludeNode() throws {
        for (code, matched, isOut) in [
            (75, [], true), (1, [5], true), (1, [], false), (1, [1], false),
        ] as [(Int32, [Int], Bool)] {
            var cluster = Self.pair()
            let bad = try #require(cluster.sent.first { $0.placement.node == "a" })
            cluster.end([bad.attempt], on: "a", .code(code)) { $0.matchedLogCauses = matched }
            #expect(cluster.sent.map(\.placement.node) == (isOut ? [] : ["a"]))
            guard isOut else { continue }
            #expect(
                cluster.effects.contains {
                    if case .saveJob = $0 { true } else { false }
                }, "a restart is to know it")
            let wait = cluster.state.explanation(of: JobID(1), index: nil, now: cluster.now)?.wait
            let text = wait?.nodes.first { $0.name == "a" }?.obstacles.first?.text ?? ""
            #expect(text.contains("exclude_node") && text.contains("\(bad.attempt.task)"))
            // Another job may well have it.
            cluster.submit(1)
            #expect(cluster.sent.map(\.placement.node) == ["a"])
        }
    }

    @Test("the last node stays, and a person's word brings one back")
    func lastNode() throws {
        var cluster = Self.pair()
        let sent = cluster.sent
        for node in ["a", "b"] {
            let attempt = try #require(sent.first { $0.placement.node == node }?.attempt)
            cluster.end([attempt], on: node, .code(75))
        }
        #expect(cluster.sent.map(\.placement.node) == ["b"])
        cluster.apply(.nodeUndrained("a"))
        #expect(cluster.sent.map(\.placement.node) == ["a"])
    }

    @Test("what waits behind a failed task on such a node is asked back")
    func recalled() throws {
        var cluster = Self.pair { $0.retry.attempts = 2 }
        // Short ones, so that more are sent ahead.
        for _ in 0..<2 {
            let sent = cluster.sent
            for dispatch in sent {
                cluster.end([dispatch.attempt], on: dispatch.placement.node, took: 100)
            }
        }
        let lane = try #require(cluster.state.lanes.values.first { $0.placement.node == "a" })
        try #require(lane.tasks.count > 1)
        let id = AttemptID(task: TaskID(job: JobID(1), index: lane.tasks[0]), number: 1)
        cluster.end([id], on: "a", .code(75))
        #expect(cluster.recalled["a"]?.map(\.task.index) == Array(lane.tasks.dropFirst()))
    }

    @Test("a restart remembers which nodes are left out")
    func restoredExclusion() {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.retry.excludeNode = [.exit(75)]
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: spec, taskCount: 2, submitted: Timestamp(milliseconds: 0)))
        job.isWhole = true
        job.decisions.avoided = ["a": "is left out"]
        var cluster = Cluster()
        _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
        cluster.connect("a")
        #expect(cluster.sent.isEmpty)
        cluster.connect("b")
        #expect(cluster.sent.map(\.placement.node) == ["b", "b"])
    }
}
