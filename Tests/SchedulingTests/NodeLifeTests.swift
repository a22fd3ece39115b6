import JobModel
import Testing

@testable import Scheduling

@Suite("Silent, drained and removed nodes")
struct NodeLifeTests {
    /// A tenth, the heartbeats' patience and the tasks' grace.
    private static let (lease, slack): (Int64, Int64) = (600_000, 60_000 + 20_000 + 10_000)

    private static func spec(_ name: String, lease: Int64? = lease) -> NodeSpec {
        var spec = NodeSpec(name: name, destination: name)
        spec.lease = lease
        return spec
    }

    /// Node `a` with one task that may be lost twice, and then `b`, where there would be room.
    private static func running(lease: Int64? = lease) -> Cluster {
        var cluster = Cluster()
        cluster.apply(.nodeAdded(spec("a", lease: lease)), .nodeAdded(spec("b")))
        cluster.connect("a", [1])
        cluster.submit(1) { $0.retry.attempts = 3 }
        cluster.apply(.started("a", [cluster.start(.of("1_0.1"))]))
        cluster.connect("b", [1])
        return cluster
    }

    /// The time of the last `wake`, in milliseconds from now.
    private static func wake(_ cluster: Cluster) -> Int64? {
        cluster.effects.reduce(nil) { last, effect in
            if case .wake(let time) = effect {
                time.milliseconds - cluster.now.milliseconds
            } else {
                last
            }
        }
    }

    // MARK: Leases

    @Test("a silent node's tasks run on until its lease is certainly over, and then run elsewhere")
    func lease() {
        var cluster = Self.running()
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        #expect(Self.wake(cluster) == Self.lease + Self.slack)
        #expect(cluster.counts(JobID(1)).running == 1)
        cluster.wait(Self.lease + Self.slack - 1)
        cluster.apply(.tick, .nodeDisconnected("a", reason: "cut again"))
        #expect(cluster.sent.isEmpty && cluster.counts(JobID(1)).running == 1)
        cluster.wait(1)
        cluster.apply(.tick)
        #expect(cluster.sentNames == ["1_0.2"])
        #expect(cluster.sent[0].placement.node == "b")
        #expect(cluster.state.pool["a"]?.resources.isIdle == true)
    }

    @Test("without a lease they are never given up", arguments: [0, nil] as [Int64?])
    func noLease(lease: Int64?) {
        var cluster = lease == nil ? Cluster() : Self.running(lease: lease)
        if lease == nil {
            cluster.connect("a", [1])
            cluster.submit(1) { $0.retry.attempts = 3 }
            cluster.connect("b", [1])
        }
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        #expect(Self.wake(cluster) == nil)
        cluster.wait(1_000_000_000)
        cluster.apply(.tick)
        #expect(cluster.sent.isEmpty && cluster.state.isLive(.of("1_0.1")))
    }

    @Test("one that comes back in time goes on, and its lease begins anew with the next silence")
    func inTime() {
        var cluster = Self.running()
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        cluster.wait(Self.lease)
        cluster.connect("a", [1], accepted: [.of("1_0.1")])
        cluster.wait(Self.lease + Self.slack)
        cluster.apply(.tick)
        #expect(cluster.state.isLive(.of("1_0.1")))
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        #expect(Self.wake(cluster) == Self.lease + Self.slack)
    }

    @Test(
        "one that comes back too late is told to end what was given up, and its records change nothing"
    )
    func tooLate() {
        var cluster = Self.running()
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        cluster.wait(Self.lease + Self.slack)
        cluster.apply(.tick)
        cluster.connect("a", [1], accepted: [.of("1_0.1")])
        #expect(cluster.cancelled == ["a": [.of("1_0.1")]])
        cluster.end([.of("1_0.1")], on: "a")
        #expect(cluster.acknowledged == ["a": [.of("1_0.1")]])
        #expect(cluster.counts(JobID(1)).succeeded == 0 && cluster.state.isLive(.of("1_0.2")))
        cluster.end([.of("1_0.2")], on: "b")
        #expect(cluster.jobState(JobID(1)) == .succeeded)
    }

    /// One task, which a former server sent to node a.
    private static var running: RestoredJob {
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
        return job
    }

    @Test("a server that is started anew waits from then on")
    func restart() {
        let job = Self.running
        var cluster = Cluster()
        let incarnation = NodeIncarnation(agentEpoch: "a", launcherEpoch: "l", bootID: "b")
        _ = cluster.state.restore([job], nodes: ["a": incarnation], now: cluster.now)
        cluster.apply(.nodeAdded(Self.spec("a")))
        #expect(Self.wake(cluster) == Self.lease + Self.slack)
        cluster.wait(Self.lease + Self.slack)
        cluster.apply(.tick)
        #expect(cluster.counts(JobID(1)).lost == 1)
    }

    @Test("a reboot is noticed by the boot's id, and what ran is lost at once")
    func reboot() {
        var cluster = Self.running()
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        cluster.connect("a", [1], agent: "other", launcher: "l", boot: "next")
        #expect(cluster.sentNames == ["1_0.2"])
    }

    @Test("the silent part of a task on several nodes ends the others")
    func gang() {
        var cluster = Cluster()
        for name in ["a", "b", "c"] {
            cluster.apply(.nodeAdded(Self.spec(name)))
            cluster.connect(name, [1])
        }
        cluster.submit(1) {
            $0.resources.nodes = 2
            $0.retry.attempts = 2
            $0.retry.on = [.nodeLost]
        }
        let attempt = AttemptID.of("1_0.1")
        let names = cluster.sent[0].gang?.nodes ?? []
        for name in names { cluster.apply(.started(name, [cluster.start(attempt)])) }
        cluster.apply(.nodeDisconnected(names[0], reason: "cut"))
        // The other one fails since it cannot reach the first.
        cluster.wait(Self.lease)
        cluster.end([attempt], on: names[1], .code(1))
        #expect(cluster.sent.isEmpty)
        cluster.wait(Self.slack)
        cluster.apply(.tick)
        #expect(cluster.sentNames == ["1_0.2", "1_0.2"], "the silence came first")
        #expect(!cluster.sent.contains { $0.placement.node == names[0] })
    }

    // MARK: Draining

    @Test("a drained node ends what runs, gives back what waits, and gets nothing more")
    func drainWait() {
        var cluster = Cluster()
        cluster.connect("a", [1])
        let job = cluster.submit(40) { $0.retry.attempts = 1 }
        // Short ones are sent ahead.
        cluster.end([.of("1_0.1")], on: "a", took: 10)
        let sent = cluster.sent.map(\.attempt)
        #expect(sent.count > 2)
        cluster.apply(.started("a", [cluster.start(sent[0])]))
        cluster.apply(.nodeDrained("a", reason: "new kernel", .wait))
        #expect(cluster.recalled == ["a": Array(sent[1...])])
        #expect(cluster.cancelled.isEmpty)
        cluster.end(Array(sent[1...]), on: "a", .neverStarted)
        #expect(cluster.sent.isEmpty && cluster.counts(job).queued == 38)
        cluster.end([sent[0]], on: "a", took: 10)
        #expect(cluster.sent.isEmpty && cluster.counts(job).succeeded == 2)
        #expect(cluster.standing(job).state == .held)
        #expect(cluster.standing(job).reason == "node a: it is drained: new kernel")
        #expect(cluster.state.nodeReports[0].drain == "new kernel")
        cluster.apply(.nodeUndrained("a"))
        #expect(!cluster.sent.isEmpty && cluster.state.nodeReports[0].heldReason == nil)
    }

    @Test("draining with requeue ends what runs, which is no failure and goes to other nodes")
    func drainRequeue() {
        var cluster = Self.running()
        cluster.apply(.nodeDrained("a", reason: "fire", .requeue))
        #expect(cluster.cancelled == ["a": [.of("1_0.1")]])
        cluster.end([.of("1_0.1")], on: "a", .signal(15)) { $0.cancelled = true }
        #expect(cluster.sentNames == ["1_0.2"] && cluster.sent[0].placement.node == "b")
        #expect(cluster.state.job(JobID(1))?.history[0]?.failures == 0)
    }

    @Test(
        "a node that was away is told of its draining when it comes back",
        arguments: Draining.allCases)
    func drainedWhileAway(mode: Draining) {
        var cluster = Cluster()
        cluster.connect("a", [2])
        cluster.submit(2)
        let (running, waiting) = (AttemptID.of("1_0.1"), AttemptID.of("1_1.1"))
        cluster.apply(.started("a", [cluster.start(running)]))
        cluster.apply(.nodeDisconnected("a", reason: "cut"))
        cluster.apply(.nodeDrained("a", reason: "moved", mode))
        #expect(cluster.cancelled.isEmpty && cluster.recalled.isEmpty)
        cluster.connect("a", [2], accepted: [running, waiting])
        #expect(cluster.recalled == (mode == .wait ? ["a": [waiting]] : [:]))
        #expect(cluster.cancelled == (mode == .wait ? [:] : ["a": [running, waiting]]))
    }

    @Test("a job that only drained nodes could hold says so, and explain names the reason")
    func explained() throws {
        var cluster = Cluster()
        cluster.connect("a", [4])
        cluster.connect("b", [1])
        cluster.apply(.nodeDrained("a", reason: "new kernel", .wait))
        let job = cluster.submit(1, cpus: 4)
        #expect(
            cluster.standing(job).reason
                == "no node that could hold it takes work now: node a: it is drained: new kernel")
        let report = cluster.state.explanation(of: job, index: nil, now: cluster.now)
        let obstacles = try #require(report?.wait?.nodes.first { $0.name == "a" }).obstacles
        #expect(obstacles.map(\.text) == ["takes no work now: it is drained: new kernel"])
    }

    // MARK: Removal

    @Test("a removed node is forgotten, and what it had is lost")
    func removed() {
        var cluster = Self.running()
        cluster.apply(.nodeDisconnected("a", reason: "sold"))
        cluster.apply(.nodeRemoved("a"))
        #expect(cluster.sentNames == ["1_0.2"])
        #expect(cluster.state.nodeReports.map(\.name) == ["b"])
        #expect(cluster.state.capacity.cpus == 1)
        #expect(
            cluster.effects.contains { if case .removeNode("a") = $0 { true } else { false } })
    }

    @Test("a node that only a task's row names can be removed")
    func unknown() {
        let job = Self.running
        var cluster = Cluster()
        _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
        #expect(cluster.state.nodeReports.map(\.tasks) == [1])
        cluster.apply(.nodeRemoved("a"))
        #expect(cluster.counts(JobID(1)).lost == 1)
    }

    @Test("a person's labels are the node's, at once and when it comes back")
    func labels() {
        var cluster = Cluster()
        cluster.connect("a", [2])
        let busy = cluster.submit(1)
        let job = cluster.submit(1) { $0.resources.labels = ["zone": "x"] }
        #expect(cluster.standing(job).state == .held)
        var spec = Self.spec("a")
        spec.labels = ["zone": "x"]
        cluster.apply(.nodeAdded(spec))
        #expect(cluster.sentNames == ["2_0.1"])
        #expect(cluster.sent[0].placement.cpus == [1], "the other is still taken")
        cluster.connect("a", [2], accepted: [.of("1_0.1"), .of("2_0.1")])
        #expect(cluster.state.pool["a"]?.resources.labels == ["zone": "x"])
        #expect(cluster.counts(busy).queued == 1)
    }
}
