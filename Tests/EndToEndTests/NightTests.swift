import Foundation
import Laboratory
import Testing

/// What `martlet report --json` says of the jobs, read as a script would read it.
private struct Night: Decodable {
    struct Job: Decodable {
        struct Failure: Decodable {
            let reason: String
            let tasks: Int
            let first: Int
        }
        let name: String
        let state: String
        let counts: [String: Int]
        let ended: [String: Int]
        let retried: Int
        let failures: [Failure]
    }
    struct Incident: Decodable {
        let node: String?
        let reason: String?
    }
    let jobs: [Job]
    let incidents: [Incident]
}

/// A night with all that goes wrong in one, and what is told of it in the morning.
@Suite(
    "A night", .serialized,
    .enabled(
        if: Machine.hasExecutables && Laboratory.isPossible, "needs root, sshd and `make build`"))
struct NightTests {
    /// Only machines of a laboratory have that file: one on which nothing works.
    private static let bad = "test ! -e /mnt/hostkey || exit 9"

    /// Point 4 takes more memory than it asked for, 5 fails twice and then works, 6 hangs.
    private static let prepare = """
        name: prepare
        image: host
        sweep: {grid: {i: 1..12}}
        resources: {cpus: 1, memory: 64MiB}
        limits: {time: 5s}
        retry: {attempts: 6, on: [node_lost, out_of_memory, "exit 9,75"], exclude_node: ["exit 9"]}
        script: |
          set -e
          \(bad)
          case {i} in
          4) head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null ;;
          5) n=$(cat $MARTLET_CHECKPOINT/n 2>/dev/null || echo 0)
             echo $((n + 1)) > $MARTLET_CHECKPOINT/n
             test $n -ge 2 || exit 75 ;;
          6) sleep 1000 ;;
          esac
          sleep 0.3
          echo done {i} > $MARTLET_RESULTS/done
        """

    private static func after(_ name: String, _ condition: String, _ count: Int) -> String {
        """
        name: \(name)
        image: host
        after: {\(condition)}
        sweep: {grid: {i: 1..\(count)}}
        retry: {attempts: 20, on: [node_lost, "exit 9"]}
        script: |
          \(bad)
          sleep 0.2
          echo done {i} > $MARTLET_RESULTS/done
        """
    }

    @Test(
        "three sweeps, a node that fails everything, a point without memory, one that hangs and ten dead servers: the morning's report is right to the last task"
    )
    func night() throws {
        let laboratory = try Laboratory([.init()])
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let environment = laboratory.environment
        func martlet(_ arguments: String...) throws -> Outcome {
            try sandbox.martlet(arguments, environment: environment)
        }
        #expect(try martlet("nodes", "add", "node0").status == 0)
        let specs = [
            Self.prepare, Self.after("train", "any: prepare", 30),
            Self.after("collect", "ok: train", 5),
        ]
        for (place, spec) in specs.enumerated() {
            let submit = try martlet("submit", try sandbox.write("\(place).yaml", spec))
            try #require(submit.status == 0, "\(submit.errors)")
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<10 {
            let status = try sandbox.json(["server", "status", "--json"])
            // When it dies is what is random here, not an event that one could await.
            usleep(UInt32.random(in: 20_000...900_000, using: &random))
            kill(pid_t(status["pid"] as? Int ?? 0), SIGKILL)
            #expect(try martlet("ls").status == 0)
        }
        // Some tasks failed.
        let wait = try martlet("wait", "prepare", "train", "collect", "--timeout", "300")
        #expect(wait.status == 1, "\(wait.errors)")

        let report = try martlet("report", "--json", "--since", "1h")
        let night = try JSONDecoder().decode(Night.self, from: Data(report.output.utf8))
        let jobs = Dictionary(uniqueKeysWithValues: night.jobs.map { ($0.name, $0) })
        for (name, count, failed) in [
            ("prepare", 12, [3, 5]), ("train", 30, []), ("collect", 5, [Int]()),
        ] {
            let told = try #require(jobs[name])
            let tasks = try sandbox.job(name).tasks
            #expect(tasks.count == count)
            for task in tasks {
                let isFailed = failed.contains(task.index)
                #expect(task.state == (isFailed ? "failed" : "succeeded"), "\(name) \(task)")
                let output = try #require(task.stdout)
                let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
                let wrote = Machine.text(folder + "/results/done")
                #expect(wrote == (isFailed ? "" : "done \(task.index + 1)\n"), "\(name) \(task)")
                #expect(task.node != "node0" || isFailed)
            }
            #expect(told.counts["succeeded"] == count - failed.count)
            #expect(told.ended["succeeded"] == count - failed.count)
            #expect(told.counts["failed"] == failed.count)
            #expect(told.failures.map(\.first).sorted() == failed)
        }
        let failures = try #require(jobs["prepare"]?.failures)
        #expect(failures.contains { $0.first == 3 && $0.reason.contains("memory") }, "\(failures)")
        #expect(failures.contains { $0.first == 5 && $0.reason.contains("time") }, "\(failures)")
        // Twice for point 5, five times for point 4, at least once for the bad node.
        #expect(try #require(jobs["prepare"]?.retried) >= 8, "\(report.output)")
        let text = try martlet("report").output
        #expect(text.contains("47 tasks ended: 45 succeeded, 2 failed"), "\(text)")
        #expect(night.incidents.contains { $0.node == "node0" }, "\(report.output)")
    }
}
