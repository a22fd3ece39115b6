import JobModel
import Testing

@testable import Scheduling

@Suite("What is said of silent nodes")
struct SilenceTests {
    private static let silentSince = "1970-01-01T00:16:40.000Z"
    /// Ten minutes of lease, a tenth, the heartbeats' patience and the tasks' grace.
    private static let lost = "1970-01-01T00:28:10.000Z"

    /// Two tasks on node `a`, of which nothing is heard any more, and one on `b`.
    private static func cluster(lease: Int64 = 600_000, attempts: Int = 3) -> Cluster {
        var cluster = Cluster()
        for name in ["a", "b"] {
            var spec = NodeSpec(name: name, destination: name)
            spec.lease = lease
            cluster.apply(.nodeAdded(spec))
        }
        cluster.connect("a", [2])
        cluster.submit(3) { $0.retry.attempts = attempts }
        cluster.apply(
            .started("a", [cluster.start(.of("1_0.1")), cluster.start(.of("1_1.1"))]))
        cluster.connect("b", [2])
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        return cluster
    }

    private static func explain(_ cluster: Cluster, _ index: Int?) -> ExplanationReport? {
        cluster.state.explanation(of: JobID(1), index: index, now: cluster.now)
    }

    @Test("a task is said to be out of sight, since when, until when, and what comes then")
    func task() throws {
        let cluster = Self.cluster()
        let report = try #require(Self.explain(cluster, 1))
        #expect(
            report.reason
                == "node a is silent since \(Self.silentSince); it may run on there, and is taken for lost at \(Self.lost) unless it is heard of, and then tried again elsewhere"
        )
        #expect(
            report.silentNodes == [
                .init(
                    name: "a", tasks: 1, triedAgain: 1, silentSince: Self.silentSince,
                    givenUp: Self.lost)
            ])
        let seen = try #require(Self.explain(cluster, 2))
        #expect(seen.place?.node == "b" && seen.reason == nil && seen.silentNodes == nil)
    }

    @Test("a job says how many of its tasks are, and goes on")
    func job() throws {
        var cluster = Self.cluster()
        #expect(cluster.standing(JobID(1)).state == .running)
        #expect(
            cluster.state.silenceText(of: JobID(1))
                == "2 tasks are on node a, silent since \(Self.silentSince); they may run on there, and are taken for lost at \(Self.lost) unless it is heard of, and then tried again elsewhere"
        )
        #expect(Self.explain(cluster, nil)?.silentNodes?.map(\.tasks) == [2])
        let tasks = cluster.state.silentTasks(of: JobID(1))
        #expect(tasks.keys.sorted() == [0, 1])
        #expect(tasks[0]?.ofTask == Self.explain(cluster, 0)?.reason)
        // Heard of again, there is nothing to say.
        cluster.connect("a", [2], accepted: [.of("1_0.1"), .of("1_1.1")])
        #expect(cluster.state.silenceText(of: JobID(1)) == nil)
        #expect(cluster.state.silentTasks(of: JobID(1)).isEmpty)
        #expect(Self.explain(cluster, 0)?.silentNodes == nil)
    }

    @Test("what is not tried again is said to be lost, and what has no lease to be waited for")
    func ends() {
        #expect(
            Self.explain(Self.cluster(attempts: 1), 0)?.reason?.hasSuffix(
                "and then not tried again, as `retry` has it") == true)
        let endless = Self.explain(Self.cluster(lease: 0), 0)
        #expect(endless?.reason?.hasSuffix("and is waited for: the node has no lease") == true)
        #expect(endless?.silentNodes?.first?.givenUp == nil)
    }

    @Test(
        "a server that has just begun waits for other machines, and finds its own agent without a word"
    )
    func restart() {
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: JobSpec(name: "j", image: "host", command: ["true"]),
                taskCount: 1, submitted: Timestamp(milliseconds: 0)))
        job.isWhole = true
        job.tasks = [
            .init(
                index: 0, state: .running, budget: TaskBudget(attempt: 1),
                placement: Placement(node: "a", cpus: [0], numaNodes: [0]), cancelRequested: false)
        ]
        var cluster = Cluster()
        let incarnation = NodeIncarnation(agentEpoch: "a", launcherEpoch: "l", bootID: "b")
        _ = cluster.state.restore([job], nodes: ["a": incarnation], now: cluster.now)
        #expect(cluster.state.silenceText(of: JobID(1)) == nil)
        cluster.connect("a", [1], accepted: [.of("1_0.1")])
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        #expect(cluster.state.silenceText(of: JobID(1)) != nil)

        var other = Cluster()
        _ = other.state.restore([job], nodes: ["a": incarnation], now: other.now)
        other.apply(.nodeAdded(NodeSpec(name: "a", destination: "a")))
        #expect(other.state.silenceText(of: JobID(1))?.contains(Self.silentSince) == true)
    }

    @Test("of tasks on several nodes each is silent where one of its nodes is")
    func gangs() {
        var cluster = Cluster()
        for name in ["a", "b"] { cluster.connect(name, [1]) }
        cluster.submit(1) { $0.resources.nodes = 2 }
        cluster.apply(.nodeDisconnected("b", reason: "cut"))
        #expect(cluster.state.silentTasks(of: JobID(1))[0]?.node == "b")
        #expect(Self.explain(cluster, 0)?.silentNodes?.map(\.name) == ["b"])
    }
}
