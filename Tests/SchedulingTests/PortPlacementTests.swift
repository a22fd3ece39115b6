import JobModel
import Testing

@testable import Scheduling

@Suite("Ports of nodes")
struct PortPlacementTests {
    private static let fixed = Network.private(ports: [PortMapping(hostPort: 8888, taskPort: 80)])

    @Test("a job waits for a port that another has, and the reason names both")
    func waitsForPort() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        let first = cluster.submit(1) { $0.network = Self.fixed }
        #expect(cluster.sent.count == 1)
        let running = cluster.sent.map(\.attempt)
        let second = cluster.submit(1) { $0.network = Self.fixed }
        #expect(cluster.sent.isEmpty)
        #expect(
            cluster.standing(second).reason
                == "waits for port 127.0.0.1:8888 of node n, which job \(first) has")
        cluster.submit(1)
        #expect(cluster.sent.count == 1, "who needs no port passes")
        cluster.end(running)
        #expect(cluster.sent.map(\.attempt.task.job) == [second])
    }

    @Test("tasks of one job follow one another through its port, and run at once on two nodes")
    func oneJob() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(3) { $0.network = Self.fixed }
        #expect(cluster.sentNames == ["1_0.1"])
        cluster.connect("m", [4])
        #expect(cluster.sentNames == ["1_1.1"])
        cluster.end([.of("1_0.1")])
        #expect(cluster.sentNames == ["1_2.1"])
    }

    @Test("a port that is any free one keeps nobody waiting")
    func automatic() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(3) {
            $0.network = .private(ports: [PortMapping(hostPort: 0, taskPort: 8888)])
        }
        #expect(cluster.sent.count == 3)
    }

    @Test("after a restart of the head a running task still has its port")
    func restored() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(1) { $0.network = Self.fixed }
        let attempt = AttemptID.of("1_0.1")
        // Another hello lays every placement anew.
        cluster.connect(
            "n", [4], agent: "b", accepted: [attempt], started: [cluster.start(attempt)])
        cluster.submit(1) { $0.network = Self.fixed }
        #expect(cluster.sent.allSatisfy { $0.attempt == attempt })
        cluster.end([attempt])
        #expect(cluster.sentNames == ["2_0.1"])
    }

    @Test("the ports that a node chose are known while the task runs")
    func reported() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        let job = cluster.submit(1) {
            $0.network = .private(ports: [PortMapping(hostPort: 0, taskPort: 8888)])
        }
        var start = cluster.start(.of("1_0.1"))
        start.ports = [PortMapping(hostPort: 40000, taskPort: 8888)]
        cluster.apply(.started("n", [start]))
        #expect(cluster.state.liveTasks(of: job)[0]?.ports == start.ports)
    }
}
