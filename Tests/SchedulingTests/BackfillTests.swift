import JobModel
import Testing

@testable import Scheduling

@Suite("Backfill")
struct BackfillTests {
    /// Four CPUs; job 1 has two of them for ten minutes; job 2 wants all four and was passed by one task of job 3.
    static func waiting(_ change: (inout JobSpec) -> Void = { _ in }) -> Cluster {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(1, cpus: 2) { $0.limits.time = 600_000 }
        cluster.submit(1, cpus: 4) { $0.limits.time = 60_000 }
        cluster.submit(1) { $0.limits.time = 60_000 }
        #expect(cluster.sentNames == ["3_0.1"])
        return cluster
    }

    @Test("one that ends before the room is needed may pass, one that stays longer may not")
    func timeLimits() {
        var cluster = Self.waiting()
        cluster.submit(1) { $0.limits.time = 700_000 }
        #expect(cluster.sentNames == [])
        cluster.submit(1) { $0.limits.time = 500_000 }
        #expect(cluster.sentNames == ["5_0.1"])
        cluster.wait(200_000)
        cluster.end([.of("3_0.1")])
        // Only 400 s are left.
        cluster.submit(1) { $0.limits.time = 500_000 }
        #expect(cluster.sentNames == [])
        cluster.submit(1) { $0.limits.time = 300_000 }
        #expect(cluster.sentNames == ["7_0.1"])
        cluster.wait(290_000)
        cluster.end([.of("5_0.1")])
        cluster.end([.of("7_0.1")])
        cluster.wait(110_000)
        cluster.end([.of("1_0.1")], took: 600_000)
        #expect(cluster.sentNames == ["2_0.1"])
    }

    @Test("what stays longer may use what is not reserved")
    func besideTheReservation() {
        var cluster = Cluster()
        cluster.connect("n", [4])
        cluster.submit(1, cpus: 2) { $0.limits.time = 600_000 }
        cluster.submit(1, cpus: 3) { $0.limits.time = 60_000 }
        cluster.submit(1) { $0.limits.time = 60_000 }
        // Three of the four will be its.
        cluster.submit(2) { $0.limits.time = 9_000_000 }
        #expect(cluster.sentNames == ["4_0.1"])
        cluster.end([.of("3_0.1")])
        #expect(cluster.sent.isEmpty)
        cluster.end([.of("1_0.1")])
        #expect(cluster.sentNames == ["2_0.1"])
    }

    @Test("without limits the mean that was seen stands for them")
    func means() {
        var cluster = Cluster()
        cluster.connect("n", [2])
        cluster.submit(100)
        for index in 0..<4 {
            cluster.wait(10_000)
            cluster.end([.of("1_\(index).1")], took: 10_000)
        }
        let large = cluster.submit(1, cpus: 2)
        var seen: [String] = []
        var live = ["1_4.1", "1_5.1"]
        for _ in 0..<6 where cluster.state.liveTasks(of: large).isEmpty {
            cluster.wait(10_000)
            cluster.end([.of(live.removeFirst())], took: 10_000)
            live += cluster.sentNames
            seen += cluster.sentNames
        }
        #expect(seen.contains("2_0.1"), "\(seen)")
        #expect(seen.count <= 4)
    }

    @Test("a lower priority never makes a higher one later than it was told")
    func neverLater() throws {
        for seed in 1...40 {
            var random = SplitMix(seed: UInt64(seed))
            try Self.check(&random, seed)
        }
    }

    /// One large job among small ones that all keep to their limits: it starts at the first time that was reserved, or before.
    private static func check(_ random: inout SplitMix, _ seed: Int) throws {
        typealias Ending = (time: Int64, attempt: AttemptID, took: Int64)
        var cluster = Cluster()
        cluster.connect("n", [4, 4])
        var ends: [Ending] = []
        var limits: [JobID: Int64] = [:]
        func note(_ cluster: Cluster, _ ends: inout [Ending]) {
            for dispatch in cluster.sent {
                let took = limits[dispatch.attempt.task.job] ?? 0
                ends.append((cluster.now.milliseconds + took, dispatch.attempt, took))
            }
        }
        func submit(_ cpus: Int, _ random: inout SplitMix) -> JobID {
            let limit = Int64.random(in: 1...600, using: &random) * 1000
            let id = cluster.submit(Int.random(in: 1...3, using: &random), cpus: cpus) {
                $0.limits.time = limit
                $0.resources.numa = .none
            }
            limits[id] = limit
            return id
        }
        for _ in 0..<6 {
            _ = submit(Int.random(in: 1...3, using: &random), &random)
            note(cluster, &ends)
        }
        let large = submit(8, &random)
        note(cluster, &ends)
        var reserved: Timestamp?
        for _ in 0..<400 where cluster.state.liveTasks(of: large).isEmpty {
            if let reserved {
                #expect(
                    cluster.now <= reserved,
                    "seed \(seed): told \(reserved), and not started at \(cluster.now)")
            }
            if Int.random(in: 0..<3, using: &random) == 0 {
                _ = submit(Int.random(in: 1...3, using: &random), &random)
                note(cluster, &ends)
            }
            reserved = reserved ?? cluster.state.jobs[large]?.reservation?.start
            ends.sort { ($0.time, $0.attempt.task) < ($1.time, $1.attempt.task) }
            guard !ends.isEmpty else { break }
            let next = ends.removeFirst()
            cluster.now = max(cluster.now, Timestamp(milliseconds: next.time))
            cluster.end([next.attempt], took: next.took)
            note(cluster, &ends)
        }
        #expect(!cluster.state.liveTasks(of: large).isEmpty, "seed \(seed): never started")
    }
}
