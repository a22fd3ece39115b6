import JobModel
import Testing

@testable import Scheduling

@Suite("Lanes")
struct LaneTests {
    @Test("short tasks are sent ahead; long ones are not")
    func depth() {
        for (duration, depth) in [(1, 64), (20, 10), (1000, 2), (60_000, 1)] as [(Int64, Int)] {
            var cluster = Cluster()
            cluster.connect("n", [2])
            let job = cluster.submit(1000)
            cluster.end(cluster.sent.map(\.attempt), took: duration)
            #expect(cluster.state.job(job)?.laneDepth == depth)
            #expect(cluster.sent.count == 2 * depth)
            #expect(Set(cluster.sent.map(\.placement.cpus)) == [[0], [1]])
        }
    }

    @Test("what is left is shared evenly between the lanes")
    func evenly() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(12)
        cluster.end(cluster.sent.map(\.attempt), took: 1)
        let byLane = Dictionary(grouping: cluster.sent, by: \.placement.cpus)
        #expect(byLane.values.map(\.count).sorted() == [5, 5])
    }

    @Test("a lane is filled again when half of it has ended, in one go")
    func refill() {
        var cluster = Cluster()
        cluster.connect("n", [1])
        cluster.submit(1000)
        cluster.end(cluster.sent.map(\.attempt), took: 1)
        let ahead = cluster.sent.map(\.attempt)
        cluster.end(Array(ahead[..<31]), took: 1)
        #expect(cluster.sent.isEmpty)
        cluster.end([ahead[31]], took: 1)
        #expect(cluster.sent.count == 32)
    }

    @Test("tasks that wait behind a long one are asked back when a CPU idles")
    func rebalance() throws {
        var cluster = Cluster()
        cluster.connect("n", [2])
        let job = cluster.submit(12)
        cluster.end(cluster.sent.map(\.attempt), took: 1)
        let lanes = Dictionary(grouping: cluster.sent, by: \.placement.cpus)
        let (stuck, free) = try (#require(lanes[[0]]), #require(lanes[[1]]))
        cluster.apply(.started("n", [cluster.start(stuck[0].attempt)]))
        cluster.end(free.map(\.attempt), took: 1)
        let wake = cluster.effects.compactMap { effect -> Timestamp? in
            if case .wake(let time) = effect { time } else { nil }
        }
        #expect(wake.count == 1)
        cluster.wait(150)
        cluster.apply(.tick)
        let recalled = cluster.effects.flatMap { effect -> [AttemptID] in
            if case .recall(_, let attempts) = effect { attempts } else { [] }
        }
        #expect(recalled == stuck.dropFirst().map(\.attempt))
        cluster.end(recalled, .neverStarted)
        #expect(cluster.sent.allSatisfy { $0.attempt.number == 2 && $0.placement.cpus == [1] })
        #expect(cluster.sent.count == 4)
        #expect(cluster.counts(job).running == 1)
    }

    @Test("planning costs the same with a hundred thousand tasks queued as with ten")
    func planningCost() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(100_000)
        let demands = cluster.state.work(of: cluster.state.active, cluster.now).demands
        #expect(demands.map(\.ready) == [99_998])
    }
}
