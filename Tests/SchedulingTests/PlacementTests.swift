import JobModel
import Testing

@testable import Scheduling

@Suite("Placement")
struct PlacementTests {
    @Test("tasks take the CPUs that are free, and the rest waits")
    func freeCPUs() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        let job = cluster.submit(10, cpus: 2)
        #expect(cluster.sent.map(\.placement.cpus) == [[0, 1], [2, 3]])
        #expect(cluster.counts(job).queued == 10)
    }

    @Test("a task lies on the fewest NUMA nodes, on the one that it fills best")
    func bestFit() {
        var cluster = Cluster()
        cluster.connect("n", [4, 4])
        cluster.submit(1, cpus: 3)
        cluster.submit(1, cpus: 1)
        #expect(cluster.sent.map(\.placement.cpus) == [[3]])
        cluster.submit(1, cpus: 4)
        #expect(cluster.sent.map(\.placement.numaNodes) == [[1]])
    }

    @Test("with numa: local a task waits for one NUMA node; with none it spans two")
    func spanning() {
        var tight = Cluster()
        tight.connect("n", [4, 4])
        tight.submit(2, cpus: 3)
        let local = tight.submit(1, cpus: 2)
        #expect(tight.sent.isEmpty)
        #expect(tight.standing(local).reason == "waits for other tasks to end")
        tight.submit(1, cpus: 2) { $0.resources.numa = .none }
        #expect(tight.sent.map(\.placement.numaNodes) == [[0, 1]])
    }

    @Test("a task larger than any NUMA node takes as many as it needs, even with numa: local")
    func largeTask() {
        var cluster = Cluster()
        cluster.connect("n", [2, 2, 2])
        cluster.submit(1, cpus: 4)
        #expect(cluster.sent.first?.placement.numaNodes.count == 2)
    }

    @Test("memory is reserved, and given back")
    func memory() {
        var cluster = Cluster()
        cluster.connect("n", [4], memory: 4 << 30)
        let job = cluster.submit(3) { $0.resources.memory = 2 << 30 }
        #expect(cluster.sentNames == ["1_0.1", "1_1.1"])
        cluster.end([.of("1_0.1")])
        #expect(cluster.sentNames == ["1_2.1"])
        cluster.end([.of("1_1.1"), .of("1_2.1")])
        #expect(cluster.jobState(job) == .succeeded)
        #expect(cluster.state.nodeReports.first?.resources.freeMemory == 4 << 30)
        #expect(cluster.state.nodeReports.first?.resources.freeCPUCount == 4)
    }

    @Test("GPUs are given by UUID, and nodes with GPUs are left to those who want them")
    func gpus() {
        var cluster = Cluster()
        cluster.connect("gpu", [2], gpus: 2)
        cluster.connect("plain", [2])
        cluster.submit(1)
        #expect(cluster.sent.map(\.placement.node) == ["plain"])
        cluster.submit(3) { $0.resources.gpus = 1 }
        #expect(cluster.sent.map(\.placement.gpus) == [["GPU-0"], ["GPU-1"]])
    }

    @Test(
        "what can never fit says so",
        arguments: [
            (64, nil as Int64?, 0, "needs 64 CPUs, the largest node has 2"),
            (1, 64 << 30, 0, "needs 64 GiB of memory, the largest node has 8 GiB"),
            (1, nil, 1, "needs 1 GPU, no node has one"),
        ])
    func neverFits(cpus: Int, memory: Int64?, gpus: Int, says: String) {
        var cluster = Cluster()
        cluster.connect("n", [2])
        let job = cluster.submit(1, cpus: cpus) {
            $0.resources.memory = memory
            $0.resources.gpus = GPURequest(gpus)
        }
        #expect(cluster.sent.isEmpty)
        #expect(cluster.standing(job).state == .held)
        #expect(cluster.standing(job).reason == says)
    }

    @Test("without a node a job says that it waits for one")
    func noNode() {
        var cluster = Cluster()
        let job = cluster.submit(1)
        #expect(cluster.standing(job).reason == "no node is connected")
    }

    @Test("tasks that ask for no CPU are not pinned, and a thousand fit at once")
    func unpinned() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(1500, cpus: 0)
        #expect(cluster.sent.count == 1000)
        #expect(cluster.sent.first?.placement.cpus == [])
        cluster.submit(2)
        #expect(cluster.sent.count == 2)
    }

    @Test("limits.parallel bounds a job, not its neighbours")
    func parallel() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        let job = cluster.submit(10) { $0.limits.parallel = 2 }
        #expect(cluster.sent.count == 2)
        cluster.end([.of("1_0.1")])
        #expect(cluster.sentNames == ["1_2.1"])
        cluster.submit(5)
        #expect(cluster.sent.count == 2)
        #expect(cluster.counts(job).total == 10)
    }

    @Test("a large task is not passed by for ever")
    func noStarvation() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(1)
        let large = cluster.submit(1, cpus: 2)
        cluster.submit(10_000)
        var live = ["2_0.1"]
        live = cluster.sentNames
        var rounds = 0
        while cluster.state.liveTasks(of: large).isEmpty, rounds < 500 {
            rounds += 1
            let next = live.removeFirst()
            cluster.end([.of(next)])
            live += cluster.sentNames
            if live.isEmpty { cluster.end([.of("1_0.1")]) }
        }
        #expect(rounds < 200, "started after \(rounds) others")
    }
}
