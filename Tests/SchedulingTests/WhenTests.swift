import JobModel
import Testing

@testable import Scheduling

@Suite("Groups and start times")
struct WhenTests {
    @Test("jobs of a group share a limit, whoever of them has the tasks")
    func group() {
        var cluster = Cluster()
        cluster.connect("n", [8])
        let first = cluster.submit(10) { $0.group = JobGroup(name: "licences", parallel: 3) }
        #expect(cluster.sent.count == 3)
        let second = cluster.submit(10) { $0.group = JobGroup(name: "licences", parallel: 5) }
        #expect(cluster.sent.isEmpty, "the smaller number holds")
        #expect(cluster.standing(second).reason?.contains("group licences") == true)
        cluster.submit(2) { $0.group = JobGroup(name: "others", parallel: 1) }
        #expect(cluster.sentNames == ["3_0.1"])
        cluster.submit(1)
        #expect(cluster.sentNames == ["4_0.1"])
        cluster.end([.of("1_0.1"), .of("1_1.1")])
        #expect(cluster.sent.count == 2)
        cluster.apply(.cancelRequested(TaskSelection(job: first)))
        let live = cluster.state.job(first)?.live.keys.sorted().map {
            AttemptID(task: TaskID(job: first, index: $0), number: 1)
        }
        cluster.end(live ?? [], .signal(15)) { $0.cancelled = true }
        // Alone, it has what it asked for.
        #expect(cluster.state.job(second)?.live.count == 5)
    }

    @Test("a job waits for its time, says so, and begins then")
    func start() {
        var cluster = Cluster()
        cluster.connect()
        let due = Timestamp(milliseconds: cluster.now.milliseconds + 60_000)
        let job = cluster.submit(1) { $0.start = due }
        #expect(cluster.sent.isEmpty)
        #expect(cluster.standing(job).state == .waiting)
        #expect(cluster.standing(job).reason == "starts at \(due)")
        #expect(cluster.effects.contains { if case .wake(due) = $0 { true } else { false } })
        cluster.wait(59_999)
        cluster.apply(.tick)
        #expect(cluster.sent.isEmpty)
        cluster.wait(1)
        cluster.apply(.tick)
        #expect(cluster.sentNames == ["1_0.1"])
        // One whose time has been begins at once.
        cluster.submit(1) { $0.start = Timestamp(milliseconds: 5) }
        #expect(cluster.sentNames == ["2_0.1"])
    }

    @Test("a restart neither forgets a start time nor misses one")
    func restored() {
        for (wait, starts) in [(60_000, false), (-60_000, true)] as [(Int64, Bool)] {
            var cluster = Cluster()
            var spec = JobSpec(name: "j", image: "host", command: ["true"])
            spec.start = Timestamp(milliseconds: cluster.now.milliseconds + wait)
            var job = RestoredJob(
                NewJob(
                    id: JobID(1), spec: spec, taskCount: 1,
                    submitted: Timestamp(milliseconds: 0)))
            job.isWhole = true
            _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
            cluster.connect()
            #expect(cluster.sent.isEmpty == !starts)
        }
    }
}
