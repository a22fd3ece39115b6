import JobModel
import Testing

@testable import Scheduling

@Suite("Resume")
struct RenewTests {
    private static func spec(_ command: String) -> JobSpec {
        JobSpec(name: "job1", image: "host", command: [command])
    }

    private static func saved(_ cluster: Cluster) -> Bool {
        cluster.effects.contains { if case .saveSpec = $0 { true } else { false } }
    }

    @Test("an ended job goes on with what failed, and with new tasks at its end")
    func goesOn() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        let job = cluster.submit(4)
        let attempts = cluster.sent.map(\.attempt)
        cluster.end(Array(attempts[..<2]))
        cluster.end([attempts[2]], .code(1))
        cluster.end([attempts[3]], .lost("x"))
        #expect(cluster.jobState(job) == .failed)
        cluster.apply(.jobRenewed(job, Self.spec("other"), taskCount: 6, dropped: []))
        #expect(Set(cluster.sentNames) == ["1_2.2", "1_3.2", "1_4.1", "1_5.1"])
        #expect(Self.saved(cluster))
        #expect(cluster.state.job(job)?.spec.command == ["other"])
        cluster.end(cluster.sent.map(\.attempt))
        #expect(cluster.jobState(job) == .succeeded && cluster.counts(job).succeeded == 6)
    }

    @Test("what is no longer wanted is cancelled, or stays as it ended")
    func dropped() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        let job = cluster.submit(6)
        let attempts = cluster.sent.map(\.attempt)
        cluster.end([attempts[0]])
        cluster.apply(.jobRenewed(job, Self.spec("true"), taskCount: 6, dropped: [0..<2, 4..<5]))
        #expect(cluster.counts(job).cancelled == 1 && cluster.counts(job).succeeded == 1)
        #expect(cluster.cancelled == ["n": [attempts[1]]])
        cluster.end([attempts[1]], .signal(15)) { $0.cancelled = true }
        while !cluster.sent.isEmpty { cluster.end(cluster.sent.map(\.attempt)) }
        let live = cluster.state.job(job)?.live.keys.map {
            AttemptID(task: TaskID(job: job, index: $0), number: 1)
        }
        cluster.end(live ?? [])
        #expect(cluster.counts(job).succeeded == 4 && cluster.counts(job).cancelled == 2)
        // And again: those stay out.
        cluster.apply(.jobRenewed(job, Self.spec("true"), taskCount: 6, dropped: [0..<2, 4..<5]))
        #expect(cluster.sent.isEmpty && cluster.jobState(job) == .cancelled)
    }

    @Test("a job that has all it needs stays ended, and what was set for it is forgotten")
    func nothingLeft() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        let job = cluster.submit(2)
        cluster.apply(.jobSet(job, [.parallel(1), .priority(3)]))
        cluster.end([.of("1_0.1"), .of("1_1.1")])
        #expect(cluster.jobState(job) == .succeeded)
        cluster.apply(.jobRenewed(job, Self.spec("true"), taskCount: 2, dropped: []))
        #expect(cluster.jobState(job) == .succeeded && cluster.sent.isEmpty)
        #expect(cluster.state.job(job)?.spec.priority == 0)
        #expect(cluster.state.activeJobs.isEmpty)
    }

    @Test("a job that never had room for all of its tasks grows without touching them")
    func untouched() {
        var cluster = Cluster()
        cluster.connect("n", [1])
        let job = cluster.submit(1_000_000)
        cluster.apply(.jobRenewed(job, Self.spec("true"), taskCount: 2_000_000, dropped: []))
        #expect(cluster.counts(job).total == 2_000_000)
        #expect(cluster.state.job(job)?.untouched == 1_999_999)
    }
}
