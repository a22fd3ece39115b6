import JobModel
import Testing

@testable import Scheduling

@Suite("Set, hold and pause")
struct SteeringTests {
    private static func running(_ count: Int = 10) -> (Cluster, [AttemptID]) {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(count)
        let attempts = cluster.sent.map(\.attempt)
        cluster.apply(.started("n", attempts.map { cluster.start($0) }))
        return (cluster, attempts)
    }

    private static func paused(_ cluster: Cluster) -> [AttemptID] {
        cluster.effects.flatMap { effect -> [AttemptID] in
            if case .pause(_, let ids) = effect { ids } else { [] }
        }
    }
    private static func resumed(_ cluster: Cluster) -> [AttemptID] {
        cluster.effects.flatMap { effect -> [AttemptID] in
            if case .resume(_, let ids) = effect { ids } else { [] }
        }
    }

    @Test("a held job starts nothing more, says so, and goes on when it is released")
    func hold() {
        var (cluster, attempts) = Self.running()
        cluster.apply(.jobSteered(JobID(1), .hold))
        #expect(
            cluster.effects.contains { if case .saveJob = $0 { true } else { false } },
            "a restart is to know it")
        #expect(Self.paused(cluster).isEmpty)
        #expect(cluster.standing(JobID(1)).state == .running)
        cluster.end(attempts)
        #expect(cluster.sent.isEmpty)
        #expect(cluster.standing(JobID(1)).state == .held)
        #expect(cluster.standing(JobID(1)).reason?.contains("martlet release 1") == true)
        // Others go past it.
        cluster.submit(1)
        #expect(cluster.sentNames == ["2_0.1"])
        cluster.apply(.jobSteered(JobID(1), .release))
        #expect(cluster.sentNames == ["1_2.1"])
    }

    @Test("what was sent ahead of a held job is asked back")
    func recall() {
        var cluster = Cluster()
        cluster.connect("n", [1])
        cluster.submit(10)
        cluster.end([.of("1_0.1")], took: 100)
        #expect(cluster.sentNames == ["1_1.1", "1_2.1"])
        cluster.apply(.started("n", [cluster.start(.of("1_1.1"))]))
        cluster.apply(.jobSteered(JobID(1), .hold))
        #expect(cluster.recalled == ["n": [.of("1_2.1")]])
        cluster.end([.of("1_2.1")], .neverStarted)
        cluster.end([.of("1_1.1")])
        #expect(cluster.counts(JobID(1)).succeeded == 2 && cluster.sent.isEmpty)
    }

    @Test("a paused job's tasks stand still, those on their way too, and their time with them")
    func pause() {
        var cluster = Cluster()
        cluster.connect("n", [10])
        cluster.submit(7) {
            $0.limits.timeOverMedian = 3
            $0.limits.total = 100_000
        }
        let attempts = cluster.sent.map(\.attempt)
        cluster.apply(.started("n", attempts.prefix(6).map { cluster.start($0) }))
        cluster.wait(10_000)
        cluster.end(Array(attempts.prefix(5)))
        cluster.apply(.jobSteered(JobID(1), .pause))
        #expect(Self.paused(cluster) == [attempts[5]])
        #expect(cluster.recalled == ["n": [attempts[6]]])
        cluster.apply(.started("n", [cluster.start(attempts[6])]))
        #expect(Self.paused(cluster) == [attempts[6]], "it was faster than the recall")
        #expect(cluster.standing(JobID(1)).state == .held)
        cluster.wait(1_000_000)
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty, "neither limit has moved")
        cluster.apply(.jobSteered(JobID(1), .release))
        #expect(Set(Self.resumed(cluster)) == Set(attempts[5...]))
        cluster.wait(19_999)
        cluster.apply(.tick)
        #expect(cluster.cancelled.isEmpty)
        cluster.wait(1)
        cluster.apply(.tick)
        #expect(cluster.cancelled == ["n": [attempts[5]]])
    }

    @Test("nodes that come back learn whether tasks are to stand still or to go on")
    func reconnect() {
        var (cluster, attempts) = Self.running()
        cluster.apply(.nodeDisconnected("n", reason: "cut"))
        cluster.apply(.jobSteered(JobID(1), .pause))
        cluster.connect("n", [2], accepted: attempts)
        #expect(Set(Self.paused(cluster)) == Set(attempts))
        cluster.apply(.nodeDisconnected("n", reason: "cut"))
        cluster.apply(.jobSteered(JobID(1), .release))
        cluster.apply(.jobSteered(JobID(1), .hold))
        cluster.connect("n", [2], accepted: attempts)
        #expect(Set(Self.resumed(cluster)) == Set(attempts) && Self.paused(cluster).isEmpty)
    }

    @Test("a held job survives a restart, and can be cancelled")
    func restored() {
        let (before, _) = Self.running()
        guard let record = before.state.job(JobID(1)) else { return }
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: record.spec, taskCount: 10,
                submitted: Timestamp(milliseconds: 0)))
        job.isWhole = true
        job.decisions.hold = .held
        job.decisions.priority = 7
        var limits = Limits()
        limits.parallel = 1
        job.decisions.limits = limits
        var cluster = Cluster()
        _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
        cluster.connect("n", [2])
        #expect(cluster.sent.isEmpty)
        #expect(cluster.state.job(JobID(1))?.spec.priority == 7)
        cluster.apply(.jobSteered(JobID(1), .release))
        #expect(cluster.sent.count == 1, "the limit that was set holds, too")
        cluster.apply(.jobSteered(JobID(1), .hold))
        cluster.apply(.cancelRequested(TaskSelection(job: JobID(1))))
        cluster.end([.of("1_0.1")], .signal(15)) { $0.cancelled = true }
        #expect(cluster.jobState(JobID(1)) == .cancelled)
        cluster.apply(.retryRequested(TaskSelection(job: JobID(1)), [.cancelled]))
        #expect(cluster.sent.count == 1, "who wants it again does not want it held")
    }

    @Test("limits and priority change while a job goes on")
    func set() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(20) { $0.limits.parallel = 1 }
        cluster.submit(20)
        #expect(cluster.state.job(JobID(1))?.lanes.count == 1)
        cluster.apply(.jobSet(JobID(1), [.parallel(nil), .priority(9)]))
        #expect(
            !cluster.effects.contains { if case .retell = $0 { true } else { false } },
            "nodes know neither")
        let second = cluster.state.job(JobID(2))?.live.keys.sorted().map {
            AttemptID(task: TaskID(job: JobID(2), index: $0), number: 1)
        }
        cluster.end(second ?? [])
        #expect(Set(cluster.sent.map(\.attempt.task.job)) == [JobID(1)])
        #expect(cluster.sent.count == 3)
        cluster.apply(.jobSet(JobID(1), [.time(1000, overMedian: nil)]))
        #expect(cluster.effects.contains { if case .retell = $0 { true } else { false } })
    }

    @Test("of fewer at once the lanes beyond get nothing more")
    func narrower() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(50)
        cluster.end(cluster.sent.map(\.attempt), took: 100)
        let live = cluster.sent.map(\.attempt)
        #expect(live.count == 8, "one beside each that runs")
        cluster.apply(.jobSet(JobID(1), [.parallel(1)]))
        #expect(cluster.recalled["n"]?.count == 6)
        cluster.end(cluster.recalled["n"] ?? [], .neverStarted)
        for _ in 0..<3 {
            let attempts = cluster.state.job(JobID(1))?.live.map {
                AttemptID(task: TaskID(job: JobID(1), index: $0.key), number: $0.value.attempt)
            }
            cluster.end(attempts ?? [], took: 100)
        }
        #expect(cluster.state.job(JobID(1))?.lanes.count == 1)
    }

    @Test("a stricter limit on failures ends a job that has passed it already")
    func failures() {
        var (cluster, attempts) = Self.running(100)
        cluster.end(attempts, .code(1))
        #expect(cluster.counts(JobID(1)).cancelled == 0)
        cluster.apply(.jobSet(JobID(1), [.failures(.count(1))]))
        #expect(cluster.counts(JobID(1)).cancelled == 96)
        #expect(cluster.standing(JobID(1)).reason?.contains("limits.failures") == true)
    }
}
