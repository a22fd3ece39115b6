import JobModel
import Testing

@testable import Scheduling

@Suite("Tasks on several nodes")
struct GangTests {
    /// Nodes `a`, `b` … of two CPUs.
    static func cluster(_ names: String..., cpus: Int = 2) -> Cluster {
        var cluster = Cluster()
        for name in names { cluster.connect(name, [cpus]) }
        return cluster
    }

    private static func submit(
        _ cluster: inout Cluster, nodes: Int, count: Int = 1, cpus: Int = 2,
        _ change: (inout JobSpec) -> Void = { _ in }
    ) -> JobID {
        cluster.submit(count, cpus: cpus) {
            $0.resources.nodes = nodes
            change(&$0)
        }
    }

    static let first = AttemptID.of("1_0.1")

    @Test("every node gets its part, and each knows all of them")
    func members() throws {
        var cluster = Self.cluster("a", "b", "c")
        _ = Self.submit(&cluster, nodes: 3)
        let sent = cluster.sent.sorted { $0.rank < $1.rank }
        #expect(sent.map(\.attempt) == [Self.first, Self.first, Self.first])
        #expect(sent.map(\.rank) == [0, 1, 2])
        #expect(Set(sent.map(\.placement.node)) == ["a", "b", "c"])
        for dispatch in sent {
            let gang = try #require(dispatch.gang)
            #expect(gang.nodes == sent.map(\.placement.node))
            #expect(Gang.ports.contains(gang.port) && gang.port == sent[0].gang?.port)
            #expect(gang.placements[dispatch.rank] == dispatch.placement)
        }
        let report = cluster.state.liveTasks(of: JobID(1))[0]
        #expect(report?.nodes == sent.map(\.placement.node))
    }

    @Test("it starts on all nodes or on none, and what it could not use is there for others")
    func allOrNothing() {
        var cluster = Self.cluster("a", "b", "c")
        let busy = cluster.submit(1, cpus: 2)
        let job = Self.submit(&cluster, nodes: 3)
        #expect(cluster.sent.isEmpty)
        #expect(cluster.standing(job).reason == "needs 3 nodes at once, 2 have room")
        let small = cluster.submit(2, cpus: 2)
        #expect(cluster.sent.count == 2)
        cluster.end([.of("1_0.1")], on: "a")
        #expect(cluster.sent.isEmpty && cluster.jobState(busy) == .succeeded)
        cluster.end([.of("3_0.1")], on: "b")
        #expect(cluster.sent.isEmpty)
        cluster.end([.of("3_1.1")], on: "c")
        #expect(cluster.sent.count == 3 && cluster.jobState(small) == .succeeded)
    }

    @Test("more nodes than there are is told for good")
    func tooMany() {
        var cluster = Self.cluster("a", "b")
        let job = Self.submit(&cluster, nodes: 3)
        #expect(cluster.standing(job).reason == "needs 3 nodes, 2 could hold it")
        #expect(cluster.standing(job).state == .held)
    }

    @Test("it has ended when every part has; each node is free once its own has")
    func ends() {
        var cluster = Self.cluster("a", "b")
        let job = Self.submit(&cluster, nodes: 2)
        cluster.end([Self.first], on: "b")
        #expect(cluster.counts(job).succeeded == 0 && cluster.state.isLive(Self.first))
        #expect(cluster.acknowledged == ["b": [Self.first]])
        #expect(Self.saved(cluster)?.ends.count == 1)
        #expect(cluster.state.pool["b"]?.resources.freeCPUCount == 2)
        #expect(cluster.state.pool["a"]?.resources.freeCPUCount == 0)
        cluster.end([Self.first], on: "b")
        #expect(cluster.state.isLive(Self.first))
        cluster.end([Self.first], on: "a") { $0.metrics = ["loss": 1] }
        #expect(cluster.jobState(job) == .succeeded)
    }

    /// What the last events saved of parts that have ended.
    private static func saved(_ cluster: Cluster) -> Gang? {
        for case .saveTasks(let changes) in cluster.effects {
            for case .partEnded(_, let gang) in changes { return gang }
        }
        return nil
    }

    @Test("what is kept of it: rank 0's metrics, all time spent, the first start and the last end")
    func outcome() throws {
        var cluster = Self.cluster("a", "b")
        _ = Self.submit(&cluster, nodes: 2)
        let ranks = try #require(cluster.sent.first?.gang?.nodes)
        cluster.end([Self.first], on: ranks[0], took: 5000) {
            $0.metrics = ["loss": 1]
            $0.userMicroseconds = 10
            $0.peakMemory = 3
        }
        cluster.wait(1000)
        cluster.end([Self.first], on: ranks[1], took: 7000) {
            $0.metrics = ["loss": 2]
            $0.userMicroseconds = 20
            $0.peakMemory = 2
        }
        let records = cluster.effects.flatMap { effect -> [ExitRecord] in
            guard case .saveTasks(let changes) = effect else { return [] }
            return changes.compactMap { if case .ended(let end, _, _, _) = $0 { end } else { nil } }
        }
        let record = try #require(records.first)
        #expect(records.count == 1 && record.metrics == ["loss": 1])
        #expect(record.userMicroseconds == 30 && record.peakMemory == 3)
        #expect(record.ended == cluster.now)
        #expect(record.started?.milliseconds == cluster.now.milliseconds - 7000)
    }

    @Test("the first part that fails ends the others, and is what the attempt ended of")
    func failure() throws {
        var cluster = Self.cluster("a", "b", "c")
        let job = Self.submit(&cluster, nodes: 3) {
            $0.retry.attempts = 2
            $0.retry.on = [.exit(75)]
        }
        cluster.end([Self.first], on: "c", .code(75))
        #expect(cluster.cancelled == ["a": [Self.first], "b": [Self.first]])
        cluster.wait(10)
        cluster.end([Self.first], on: "a", .code(1))
        #expect(cluster.cancelled.isEmpty && cluster.sent.isEmpty)
        cluster.end([Self.first], on: "b", .signal(15)) { $0.cancelled = true }
        #expect(cluster.sentNames == ["1_0.2", "1_0.2", "1_0.2"], "exit 75 came first")
        for node in ["a", "b", "c"] { cluster.end([.of("1_0.2")], on: node, .code(1)) }
        #expect(cluster.counts(job).failed == 1)
    }

    @Test("a person's cancel reaches every node, and is no failure")
    func cancel() {
        var cluster = Self.cluster("a", "b")
        let job = Self.submit(&cluster, nodes: 2) { $0.retry.attempts = 3 }
        cluster.apply(.cancelRequested(TaskSelection(job: job)))
        #expect(cluster.cancelled == ["a": [Self.first], "b": [Self.first]])
        for node in ["a", "b"] {
            cluster.end([Self.first], on: node, .signal(15)) { $0.cancelled = true }
        }
        #expect(cluster.jobState(job) == .cancelled)
        #expect(cluster.state.pool.nodes.allSatisfy { $0.resources.isIdle })
    }

    @Test("a node that lost its part ends the others before another attempt starts")
    func lost() {
        var cluster = Self.cluster("a", "b")
        let job = Self.submit(&cluster, nodes: 2) {
            $0.retry.attempts = 2
            $0.retry.on = [.nodeLost]
        }
        for node in ["a", "b"] { cluster.apply(.started(node, [cluster.start(Self.first)])) }
        cluster.connect("b", [2], agent: "other", launcher: "other", boot: "other")
        #expect(cluster.cancelled == ["a": [Self.first]] && cluster.sent.isEmpty)
        cluster.end([Self.first], on: "a", .signal(15)) { $0.cancelled = true }
        #expect(cluster.sentNames == ["1_0.2", "1_0.2"])
        #expect(cluster.counts(job).lost == 0)
    }

    @Test("a part that never arrived takes the others back, and is no failure")
    func neverArrived() {
        var cluster = Self.cluster("a", "b")
        _ = Self.submit(&cluster, nodes: 2)
        cluster.apply(.started("a", [cluster.start(Self.first)]))
        cluster.connect("b", [2])
        #expect(cluster.cancelled == ["a": [Self.first]] && cluster.sent.isEmpty)
        cluster.end([Self.first], on: "a", .signal(15)) { $0.cancelled = true }
        #expect(cluster.sentNames == ["1_0.2", "1_0.2"])
    }

    @Test("a node that comes back is told its part again, and to end it where the others were")
    func reconnect() {
        var cluster = Self.cluster("a", "b")
        _ = Self.submit(&cluster, nodes: 2)
        let parts = cluster.sent
        cluster.apply(.nodeDisconnected("b", reason: "cut"))
        cluster.connect("b", [2], accepted: [Self.first])
        #expect(cluster.sent == parts.filter { $0.placement.node == "b" })
        cluster.apply(.nodeDisconnected("b", reason: "cut"))
        cluster.end([Self.first], on: "a", .code(1))
        cluster.connect("b", [2], accepted: [Self.first])
        #expect(cluster.cancelled == ["b": [Self.first]])
        cluster.connect("a", [2], accepted: [Self.first])
        #expect(cluster.cancelled == ["a": [Self.first]], "its part has ended")
    }

    @Test("explain tells all of its nodes, and of one that waits how many have room")
    func explained() throws {
        var cluster = Self.cluster("a", "b", "c")
        let job = Self.submit(&cluster, nodes: 2, count: 2)
        let runs = cluster.state.explanation(of: job, index: 0, now: cluster.now)
        #expect(runs?.place?.nodes == cluster.sent[0].gang?.nodes)
        let waits = cluster.state.explanation(of: job, index: 1, now: cluster.now)
        #expect(waits?.wait?.needs == "2 nodes with 2 CPUs")
        cluster.end([Self.first], on: cluster.sent[0].placement.node)
        let half = cluster.state.explanation(of: job, index: 0, now: cluster.now)
        #expect(half?.place?.nodes == runs?.place?.nodes)
        #expect(half?.place?.node == runs?.place?.nodes?[1], "the part that still runs")
    }

    @Test("parts reach each other where persons say, or else by the nodes' own names")
    func addresses() {
        var cluster = Cluster()
        var named = NodeSpec(name: "b", destination: "anna@b.lan")
        cluster.apply(.nodeAdded(NodeSpec(name: "a", destination: "anna@a.lan")), .nodeAdded(named))
        for name in ["a", "b", "c"] { cluster.connect(name) }
        named.address = "10.0.0.2"
        cluster.apply(.nodeAdded(named))
        let gang = Gang(
            placements: ["a", "b", "c"].map { Placement(node: $0, cpus: [], numaNodes: []) },
            port: 20_000)
        #expect(gang.member(1, address: cluster.state.address).nodes == ["a.lan", "10.0.0.2", "n"])
        #expect(gang.member(1).rank == 1)
    }

    @Test("limits.parallel counts tasks, and the share of the cluster all their nodes")
    func limits() {
        var cluster = Self.cluster("a", "b", "c", "d", cpus: 4)
        let job = Self.submit(&cluster, nodes: 2, count: 5, cpus: 1) { $0.limits.parallel = 2 }
        #expect(cluster.sent.count == 4)
        #expect(Set(cluster.sentNames) == ["1_0.1", "1_1.1"])
        let whole = cluster.state.capacity
        #expect(cluster.state.job(job)?.share.share(of: whole, cluster.now) == 4.0 / 16)
        let ends = cluster.sent.filter { $0.attempt == Self.first }
        cluster.end([Self.first], on: ends[0].placement.node)
        #expect(cluster.sent.isEmpty)
        cluster.end([Self.first], on: ends[1].placement.node)
        #expect(cluster.sentNames == ["1_2.1", "1_2.1"])
    }

    @Test("two that meet on one node meet at different ports")
    func ports() {
        var cluster = Self.cluster("a", "b", cpus: 8)
        _ = Self.submit(&cluster, nodes: 2, count: 4, cpus: 1)
        let ports = cluster.sent.compactMap { $0.rank == 0 ? $0.gang?.port : nil }
        #expect(Set(ports).count == 4)
        let task = TaskID(job: JobID(1), index: 0)
        let other = Gang.port(for: task) { $0 == Gang.port(for: task) }
        #expect(other != Gang.port(for: task) && Gang.ports.contains(other))
    }

    @Test("one that is passed by gets rooms reserved on all of its nodes")
    func reservation() throws {
        var cluster = Self.cluster("a", "b", cpus: 2)
        let small = cluster.submit(100, cpus: 1) { $0.limits.time = 60_000 }
        let large = Self.submit(&cluster, nodes: 2) { $0.limits.time = 60_000 }
        var started = false
        for _ in 0..<20 where !started {
            cluster.wait(10_000)
            let live = cluster.state.liveTasks(of: small).min { $0.key < $1.key }
            let (index, task) = try #require(live)
            let id = AttemptID(task: TaskID(job: small, index: index), number: task.attempt)
            cluster.end([id], on: task.placement.node)
            started = cluster.sent.contains { $0.attempt.task.job == large }
        }
        #expect(started)
        #expect(cluster.sent.filter { $0.attempt.task.job == large }.count == 2)
    }

    @Test("a server that is started anew knows all parts, and which of them have ended")
    func restart() throws {
        for status in [Ending.code(0), .code(1)] {
            var cluster = Self.cluster("a", "b")
            _ = Self.submit(&cluster, nodes: 2) { $0.retry.attempts = 2 }
            let sent = cluster.sent
            let nodes = try #require(sent[0].gang?.nodes)
            cluster.end([Self.first], on: nodes[1], status)
            let next = cluster.submit(1)
            #expect(cluster.sent.map(\.placement.node) == [nodes[1]], "its node is free")
            var job = RestoredJob(
                NewJob(
                    id: JobID(1), spec: cluster.state.job(JobID(1))!.spec, taskCount: 1,
                    submitted: cluster.now))
            job.isWhole = true
            cluster.end([Self.first], on: nodes[1], status)
            var gang = try #require(sent[0].gang)
            gang.ends[1] = cluster.record(Self.first, status)
            job.tasks = [
                .init(
                    index: 0, state: .running, budget: TaskBudget(attempt: 1),
                    placement: sent[0].placement, cancelRequested: false, gang: gang)
            ]
            let known = NodeIncarnation(agentEpoch: "a", launcherEpoch: "l", bootID: "b")
            var again = Cluster()
            _ = again.state.restore([job], nodes: ["a": known, "b": known], now: again.now)
            again.connect(nodes[1], [2])
            #expect(again.state.pool[nodes[1]]?.resources.isIdle == true, "\(next)")
            again.connect(nodes[0], [2], accepted: [Self.first])
            #expect(again.sent == sent.filter { $0.placement.node == nodes[0] })
            let isWell = status == .code(0)
            #expect(again.cancelled == (isWell ? [:] : [nodes[0]: [Self.first]]))
            again.end([Self.first], on: nodes[0]) { $0.cancelled = !isWell }
            #expect(again.jobState(JobID(1)) == (isWell ? .succeeded : .running))
            #expect(again.sentNames == (isWell ? [] : ["1_0.2", "1_0.2"]))
        }
    }

    @Test("nodes are left out while enough others are there for all members")
    func excludeNode() {
        var cluster = Self.cluster("a", "b", "c")
        let job = Self.submit(&cluster, nodes: 2) {
            $0.retry.attempts = 9
            $0.retry.excludeNode = [.exit(1)]
        }
        for number in 1...3 {
            let attempt = AttemptID.of("1_0.\(number)")
            let names = cluster.sent.filter { $0.attempt == attempt }.map(\.placement.node)
            #expect(names.count == 2, "attempt \(number)")
            guard names.count == 2 else { return }
            cluster.end([attempt], on: names[0], .code(1))
            cluster.end([attempt], on: names[1], .signal(15)) { $0.cancelled = true }
        }
        #expect(cluster.state.job(job)?.decisions.avoided?.count == 1)
    }
}
