import JobModel
import Testing

@testable import Scheduling

@Suite("Nodes that fail tasks")
struct QuarantineTests {
    /// Nodes of one CPU, each with its first task sent.
    private static func cluster(_ names: String..., jobs: Int, tasks: Int = 1000) -> Cluster {
        var cluster = Cluster()
        for _ in 0..<jobs { cluster.submit(tasks) }
        for name in names { cluster.connect(name, [1]) }
        return cluster
    }

    private static func live(_ cluster: Cluster, on node: String) -> AttemptID? {
        for id in cluster.state.activeJobs {
            for (index, task) in cluster.state.liveTasks(of: id)
            where task.placement.node == node {
                return AttemptID(task: TaskID(job: id, index: index), number: task.attempt)
            }
        }
        return nil
    }

    /// Ends what the node has, so many times. Returns how often there was something.
    @discardableResult
    private static func end(
        _ cluster: inout Cluster, on node: String, _ status: Ending, times: Int = 1,
        took: Int64 = 400
    ) -> Int {
        for time in 0..<times {
            guard let attempt = live(cluster, on: node) else { return time }
            cluster.end([attempt], on: node, status, took: took)
        }
        return times
    }

    private static func quarantine(_ cluster: Cluster, _ node: String) -> String? {
        cluster.state.nodeReports.first { $0.name == node }?.quarantine
    }

    @Test("a node on which a job fails at once that succeeds elsewhere is taken out, and named")
    func blackHole() throws {
        var cluster = Self.cluster("a", "b", jobs: 1)
        Self.end(&cluster, on: "b", .code(0), took: 60_000)
        #expect(Self.end(&cluster, on: "a", .code(1), times: 7) == 7)
        #expect(Self.quarantine(cluster, "a") == nil)
        Self.end(&cluster, on: "a", .code(1))
        let told = cluster.effects.compactMap { effect -> String? in
            if case .quarantined("a", let reason) = effect { reason } else { nil }
        }
        #expect(told == ["8 tasks in a row failed within 10 s of their start"])
        #expect(Self.quarantine(cluster, "a") == told.first)
        let report = try #require(cluster.state.nodeReports.first)
        #expect(report.failures.count == 8)
        #expect(report.failures[0].hasSuffix(": exit code 1 after 0.4 s"))
        #expect(Self.live(cluster, on: "a") == nil && Self.live(cluster, on: "b") != nil)
        cluster.apply(.nodeUndrained("a"))
        #expect(Self.live(cluster, on: "a") != nil)
        #expect(Self.end(&cluster, on: "a", .code(1), times: 7) == 7, "its row begins anew")
    }

    @Test("a job that runs elsewhere for longer is enough to tell")
    func stillRunning() {
        for time in [5000, 15_000] as [Int64] {
            var cluster = Self.cluster("a", "b", jobs: 1)
            let elsewhere = Self.live(cluster, on: "b")!
            cluster.apply(.started("b", [cluster.start(elsewhere)]))
            cluster.wait(time)
            Self.end(&cluster, on: "a", .signal(11), times: 8)
            #expect((Self.quarantine(cluster, "a") == nil) == (time == 5000))
        }
    }

    @Test("two jobs that nobody knows to fail elsewhere are enough, one is not")
    func severalJobs() {
        for jobs in [1, 2] {
            var cluster = Self.cluster("a", jobs: jobs)
            Self.end(&cluster, on: "a", .code(1), times: 6)
            #expect((1...jobs).allSatisfy { cluster.counts(JobID(Int64($0))).failed > 0 })
            cluster.connect("b", [1])
            Self.end(&cluster, on: "a", .code(1), times: 2)
            #expect((Self.quarantine(cluster, "a") != nil) == (jobs == 2))
        }
    }

    @Test("jobs that are broken everywhere are no node's fault")
    func brokenEverywhere() {
        var cluster = Self.cluster("a", "b", "c", jobs: 3)
        for _ in 0..<40 { for node in ["a", "b", "c"] { Self.end(&cluster, on: node, .code(1)) } }
        for node in ["a", "b", "c"] { #expect(Self.quarantine(cluster, node) == nil) }
    }

    @Test(
        "what says nothing of the node, or well of it, breaks the row or leaves it",
        arguments: [
            (Ending.code(0), 400, true), (.code(1), 20_000, true), (.lost("x"), 400, false),
            (.neverStarted, 0, false),
        ] as [(Ending, Int64, Bool)])
    func row(status: Ending, took: Int64, breaks: Bool) {
        var cluster = Self.cluster("a", "b", jobs: 1)
        Self.end(&cluster, on: "b", .code(0), took: 60_000)
        Self.end(&cluster, on: "a", .code(1), times: 7)
        Self.end(&cluster, on: "a", status, took: took)
        Self.end(&cluster, on: "a", .code(1))
        #expect((Self.quarantine(cluster, "a") == nil) == breaks)
    }

    @Test("the last node that works stays in")
    func lastOne() {
        var cluster = Self.cluster("a", "b", jobs: 1)
        Self.end(&cluster, on: "b", .code(0), took: 60_000)
        cluster.apply(.nodeHeld("b", reason: "no room"))
        Self.end(&cluster, on: "a", .code(1), times: 20)
        #expect(Self.quarantine(cluster, "a") == nil)
        cluster.apply(.nodeHeld("b", reason: nil))
        Self.end(&cluster, on: "a", .code(1))
        #expect(Self.quarantine(cluster, "a") != nil)
    }

    @Test("three starts that fail are enough where another node starts the same job")
    func starts() {
        let failure = Ending.startFailure(step: "mount", subject: "/data", errno: 5)
        for isStartedElsewhere in [false, true] {
            var cluster = Self.cluster("a", "b", jobs: 1)
            if isStartedElsewhere {
                cluster.apply(.started("b", [cluster.start(Self.live(cluster, on: "b")!)]))
            }
            Self.end(&cluster, on: "a", failure, times: 3)
            #expect((Self.quarantine(cluster, "a") != nil) == isStartedElsewhere)
        }
    }

    @Test("what an earlier server found holds")
    func restored() {
        var cluster = Self.cluster("a", "b", jobs: 1)
        cluster.apply(.nodeQuarantined("a", reason: "8 tasks in a row failed"))
        Self.end(&cluster, on: "a", .code(0))
        #expect(Self.live(cluster, on: "a") == nil)
        cluster.connect("a", [1])
        #expect(Self.live(cluster, on: "a") == nil)
    }
}
