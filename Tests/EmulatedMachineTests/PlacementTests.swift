import Foundation
import Testing

/// Tasks on two and four NUMA nodes look at themselves, and match their placement. cgroup v2.
@Suite(
    "Tasks on NUMA nodes", .serialized,
    .enabled(if: EmulatedMachine.isPossible, "qemu-system-x86 is not installed"))
struct PlacementTests {
    /// What `show --json` says of a task.
    private struct Shown: Decodable {
        struct Task: Decodable {
            let state: String
            let reason: String?
            let cpus: [Int]
            let numaNodes: [Int]
            let enforcement: [String: String]?
        }
        let tasks: [Task]
    }

    /// A job, as it was placed, and what its task said.
    private struct Job {
        let task: Shown.Task
        let said: String

        init(_ name: String, _ result: GuestResult) throws {
            let json = try #require(result[name + ".json"], "\(result)")
            let shown = try JSONDecoder().decode(Shown.self, from: Data(json.utf8))
            task = try #require(shown.tasks.first)
            said = try #require(result[name + ".said"])
        }

        /// Of /proc/self/status.
        func list(_ name: String) -> String? {
            said.split(separator: "\n").first { $0.hasPrefix(name) }
                .flatMap { $0.split(separator: "\t").last }.map(String.init)
        }

        /// Node → pages, of the mapping with the most of them in numa_maps (proc(5)).
        var pages: [Int: Int] {
            let mappings = said.split(separator: "\n").filter { $0.contains(" anon=") }.map {
                line in
                Dictionary(
                    line.split(separator: " ").compactMap { word -> (Int, Int)? in
                        let parts = word.dropFirst().split(separator: "=")
                        guard word.hasPrefix("N"), parts.count == 2, let node = Int(parts[0]),
                            let pages = Int(parts[1])
                        else { return nil }
                        return (node, pages)
                    }, uniquingKeysWith: +)
            }
            return mappings.max { $0.values.reduce(0, +) < $1.values.reduce(0, +) } ?? [:]
        }
    }

    /// Takes 16 MiB, and tells where they are and where it may be.
    private static let look =
        #"awk 'BEGIN { s = sprintf("%16000000s", ""); f = "/proc/self/numa_maps"; while ((getline l < f) > 0) print l;"#
        + #" f = "/proc/self/status"; while ((getline l < f) > 0) if (l ~ /allowed_list/) print l }'"#

    /// Runs a job for each name, with the options there, one after the other.
    private func run(
        _ jobs: [(name: String, options: String)], nodes: Int, _ command: String = look,
        user: String = ""
    ) throws -> [Job] {
        let lines = jobs.map { name, options in
            """
            \(user) martlet run --image /tmp/root --name \(name) \(options) -- \(command) >/dev/null 2>&1 || true
            \(user) martlet show --json \(name) >$RESULTS/\(name).json
            \(user) martlet logs \(name) >$RESULTS/\(name).said
            """
        }
        let result = try EmulatedMachine.shared(.init(numaNodes: nodes)).run(
            """
            busybox-root /tmp/root
            \(user) martlet server start
            \(lines.joined(separator: "\n"))
            \(user) martlet server stop --tasks
            """)
        return try jobs.map { try Job($0.name, result) }
    }

    private func list(_ numbers: [Int]) -> String {
        let isRange = numbers.count > 1 && numbers == Array(numbers[0]...numbers[numbers.count - 1])
        return isRange
            ? "\(numbers[0])-\(numbers[numbers.count - 1])"
            : numbers.map(String.init).joined(separator: ",")
    }

    private func expect(
        _ job: Job, policy: String, binding: String, mems: [Int], place: String = "cgroup-v2"
    ) {
        #expect(job.task.state == "succeeded")
        #expect(job.list("Cpus_allowed_list") == list(job.task.cpus))
        #expect(job.list("Mems_allowed_list") == list(mems))
        #expect(job.task.enforcement?["cpuBinding"] == place)
        #expect(job.task.enforcement?["memoryPolicy"] == policy)
        #expect(job.task.enforcement?["memoryBinding"] == binding)
    }

    /// Roughly: a node that has little left gives less.
    private func expectEvenPages(_ job: Job) {
        let all = job.pages.values.reduce(0, +)
        #expect(Set(job.pages.keys) == Set(job.task.numaNodes))
        for (node, pages) in job.pages {
            let share = Double(pages * job.task.numaNodes.count) / Double(all)
            #expect((0.5...1.5).contains(share), "node \(node): \(pages) of \(all)")
        }
    }

    @Test("strict is a wall around one node, spread takes from both in turn")
    func twoNodes() throws {
        let jobs = try run(
            [("strict", "--cpus 2 --numa strict"), ("spread", "--cpus 4 --numa spread")], nodes: 2)
        let (strict, spread) = (jobs[0], jobs[1])
        let node = try #require(strict.task.numaNodes.first)
        #expect(strict.task.numaNodes == [node] && strict.task.cpus == [2 * node, 2 * node + 1])
        expect(strict, policy: "bind", binding: "cgroup-v2", mems: [node])
        #expect(strict.said.contains(" bind:\(node) ") && Set(strict.pages.keys) == [node])
        #expect(spread.task.numaNodes == [0, 1])
        expect(spread, policy: "interleave", binding: "none", mems: [0, 1])
        #expect(spread.said.contains(" interleave:0-1 "))
        expectEvenPages(spread)
    }

    @Test(
        "on four nodes each policy is what the task finds",
        .enabled(if: EmulatedMachine.isLong, "boots a machine of four nodes: MARTLET_TEST_LONG=1"))
    func fourNodes() throws {
        let jobs = try run(
            [
                ("local", "--cpus 1"), ("wide", "--cpus 2"), ("strict", "--numa strict"),
                ("spread", "--cpus 4 --numa spread"), ("free", "--numa none"),
            ], nodes: 4)
        let (local, wide, strict, spread, free) = (jobs[0], jobs[1], jobs[2], jobs[3], jobs[4])
        // Preferred and no wall.
        expect(local, policy: "preferred-many", binding: "none", mems: [0, 1, 2, 3])
        #expect(local.said.contains(" prefer (many):\(local.task.cpus[0]) "))
        #expect(Set(local.pages.keys) == Set(local.task.numaNodes) && local.task.cpus.count == 1)
        #expect(wide.task.numaNodes == wide.task.cpus && wide.task.cpus.count == 2)
        expect(wide, policy: "preferred-many", binding: "none", mems: [0, 1, 2, 3])
        #expect(Set(wide.pages.keys).isSubset(of: Set(wide.task.numaNodes)))
        expect(strict, policy: "bind", binding: "cgroup-v2", mems: strict.task.numaNodes)
        #expect(strict.task.numaNodes.count == 1)
        expect(spread, policy: "interleave", binding: "none", mems: [0, 1, 2, 3])
        expectEvenPages(spread)
        expect(free, policy: "none", binding: "none", mems: [0, 1, 2, 3])
        #expect(free.said.contains(" default "))
    }

    @Test(
        "an allocation larger than its node fails where strict, and is served from elsewhere where not",
        .enabled(if: EmulatedMachine.isLong, "boots a machine of four nodes: MARTLET_TEST_LONG=1"))
    func overSize() throws {
        let jobs = try run(
            [("strict", "--numa strict"), ("local", "")], nodes: 4,
            "dd if=/dev/zero of=/dev/null bs=300M count=1")
        #expect(jobs[0].task.state == "failed")
        #expect(jobs[0].task.reason?.contains("memory") == true, "\(jobs[0])")
        #expect(jobs[1].task.state == "succeeded", "\(jobs[1])")
    }

    @Test(
        "without a cgroup affinity and policy hold a task, and it is said",
        .enabled(if: EmulatedMachine.isLong, "another server: MARTLET_TEST_LONG=1"))
    func ordinaryUser() throws {
        let strict = try run([("strict", "--cpus 2 --numa strict")], nodes: 2, user: "as-dev")[0]
        let node = try #require(strict.task.numaNodes.first)
        expect(strict, policy: "bind", binding: "none", mems: [0, 1], place: "affinity")
        #expect(strict.said.contains(" bind:\(node) ") && Set(strict.pages.keys) == [node])
    }
}
