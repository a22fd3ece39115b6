import JobModel
import Testing

@testable import Scheduling

@Suite("Order of jobs")
struct OrderTests {
    @Test("the higher priority is served first, whoever came first")
    func priority() {
        var cluster = Cluster()
        cluster.connect("n", [1])
        cluster.submit(2)
        let urgent = cluster.submit(2) { $0.priority = 10 }
        cluster.submit(2) { $0.priority = -1 }
        var order = ["1_0.1"]
        while order.count < 6 {
            cluster.end([.of(order.last ?? "")])
            order += cluster.sentNames
        }
        #expect(order == ["1_0.1", "2_0.1", "2_1.1", "1_1.1", "3_0.1", "3_1.1"])
        #expect(cluster.jobState(urgent) == .succeeded)
    }

    @Test("jobs of one priority share a cluster evenly from the beginning")
    func evenly() {
        var cluster = Cluster()
        cluster.apply(.held("not yet"))
        cluster.connect("n", [6])
        for _ in 0..<3 { cluster.submit(10) }
        cluster.apply(.released)
        #expect(cluster.sentNames == ["1_0.1", "2_0.1", "3_0.1", "1_1.1", "2_1.1", "3_1.1"])
    }

    @Test("who had little of late is served before who had much")
    func recentUse() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(20)
        cluster.wait(6 * 3_600_000)
        let late = cluster.submit(20)
        cluster.end([.of("1_0.1"), .of("1_1.1")], took: 6 * 3_600_000)
        #expect(cluster.sentNames == ["2_0.1", "2_1.1"])
        cluster.wait(7 * 24 * 3_600_000)
        // After a week nothing of it counts any more but what is held now.
        cluster.end([.of("2_0.1")])
        #expect(cluster.sentNames == ["1_2.1"])
        #expect(cluster.counts(late).succeeded == 1)
    }

    @Test("a GPU counts as much as its share of all GPUs")
    func dominantShare() {
        var cluster = Cluster()
        cluster.apply(.held("not yet"))
        cluster.connect("n", [16], gpus: 2)
        cluster.submit(10) { $0.resources.gpus = 1 }
        cluster.submit(20)
        cluster.apply(.released)
        // One of two GPUs weighs as much as eight of sixteen CPUs.
        let first = ["1_0.1"] + (0..<8).map { "2_\($0).1" } + ["1_1.1"]
        #expect(cluster.sentNames.starts(with: first))
    }

    @Test("with seven hours of ends, two equal jobs get equal time, whatever their tasks' sizes")
    func longRun() {
        var cluster = Cluster()
        cluster.connect("n", [8])
        let first = cluster.submit(100_000)
        let second = cluster.submit(100_000, cpus: 4)
        var live = cluster.state.liveTasks(of: first).count
        var held = (0, 0)
        for round in 0..<420 {
            cluster.wait(60_000)
            for (job, cpus) in [(first, 1), (second, 4)] {
                let tasks = cluster.state.liveTasks(of: job)
                if job == first { held.0 += tasks.count } else { held.1 += tasks.count * cpus }
                // The small ones end each minute, the large ones every fifth.
                guard job == first || round % 5 == 4 else { continue }
                cluster.end(
                    tasks.sorted { $0.key < $1.key }.map {
                        AttemptID(task: TaskID(job: job, index: $0.key), number: $0.value.attempt)
                    }, took: job == first ? 60_000 : 300_000)
                live += cluster.sent.count
            }
        }
        let share = Double(held.0) / Double(held.0 + held.1)
        #expect((0.4...0.6).contains(share), "the first had \(share)")
    }
}
