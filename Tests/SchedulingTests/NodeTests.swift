import JobModel
import Testing

@testable import Scheduling

@Suite("Nodes that come and go")
struct NodeTests {
    @Test("what the agent still has goes on, with its placement told again")
    func reconnect() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(2)
        let live = cluster.sent
        cluster.apply(.nodeDisconnected("n", reason: "gone"))
        cluster.connect(accepted: live.map(\.attempt))
        #expect(cluster.sent == live)
        #expect(cluster.counts(job).queued == 2)
        cluster.end(live.map(\.attempt))
        #expect(cluster.jobState(job) == .succeeded)
    }

    @Test("what never arrived is sent again as another attempt, and is no failure")
    func neverArrived() {
        for (agent, launcher) in [("a", "l"), ("other", "l"), ("a", "other")] {
            var cluster = Cluster()
            cluster.connect()
            cluster.submit(1)
            cluster.connect(agent: agent, launcher: launcher)
            #expect(cluster.sentNames == ["1_0.2"])
        }
    }

    @Test("with another agent and another launcher nobody knows: it is lost")
    func lost() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1)
        cluster.connect(agent: "other", launcher: "other")
        #expect(cluster.counts(job).lost == 1)
        #expect(cluster.jobState(job) == .failed)
    }

    @Test("a lost task is retried where the spec allows")
    func lostAndRetried() {
        var cluster = Cluster()
        cluster.connect()
        cluster.submit(1) { $0.retry.attempts = 2 }
        cluster.connect(agent: "other", launcher: "other")
        #expect(cluster.sentNames == ["1_0.2"])
    }

    @Test("ends that the hello tells count, and are acknowledged")
    func exitsInHello() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1)
        let record = cluster.record(.of("1_0.1"), .code(0))
        cluster.connect(agent: "other", launcher: "other", exited: [record])
        #expect(cluster.jobState(job) == .succeeded)
    }

    @Test("attempts that the head does not know are stopped, and need not be kept")
    func strangers() {
        var cluster = Cluster()
        cluster.connect(accepted: [.of("9_9.1")])
        let stopped = cluster.effects.flatMap { effect -> [AttemptID] in
            if case .cancel(_, let attempts) = effect { attempts } else { [] }
        }
        #expect(stopped == [.of("9_9.1")])
        #expect(
            cluster.effects.contains {
                if case .acknowledge(_, let ids) = $0 { ids == [.of("9_9.1")] } else { false }
            })
    }

    @Test("a held node gets nothing, a disconnected one neither")
    func held() {
        var cluster = Cluster()
        cluster.connect()
        cluster.apply(.nodeHeld("n", reason: "no room"))
        let job = cluster.submit(1)
        #expect(cluster.sent.isEmpty)
        #expect(cluster.standing(job).reason == "no room")
        cluster.apply(.nodeDisconnected("n", reason: "gone"))
        cluster.apply(.nodeHeld("n", reason: nil))
        #expect(cluster.sent.isEmpty)
        cluster.connect()
        #expect(cluster.sent.count == 1)
    }

    @Test("stopping a node queues its tasks again")
    func stopping() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(2)
        for dispatch in cluster.sent {
            cluster.apply(.started("n", [cluster.start(dispatch.attempt)]))
        }
        cluster.apply(.nodeStopping("n"))
        #expect(cluster.sent.isEmpty)
        #expect(cluster.counts(job).queued == 2)
        cluster.connect(agent: "other", launcher: "other")
        #expect(cluster.sentNames == ["1_0.2", "1_1.2"])
    }

    @Test("a node that came back smaller takes no more than it has")
    func shrunk() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(4)
        let live = cluster.sent.map(\.attempt)
        cluster.submit(4)
        cluster.connect("n", [2], accepted: live)
        cluster.end([live[3]])
        #expect(cluster.sent.isEmpty)
        cluster.end([live[0]])
        #expect(cluster.sent.map(\.placement.cpus) == [[0]])
    }
}
