import Foundation
import Testing

/// The main job through the built executables, as a person types it.
@Suite("Main job", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct MainJobTests {
    @Test("a sweep without a file runs every point and tells where each ran")
    func sweepFromFlags() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let root = try sandbox.busyboxRoot()
        let run = try sandbox.martlet(
            "run", "--image", root, "--name", "flags", "--sweep", "lr=0.1,0.01", "--sweep",
            "seed=1..3", "--", "/bin/sh", "-c",
            #"echo lr={lr} seed={seed} $MARTLET_PARAM_LR; echo '{"loss": {seed}}' >> $MARTLET_METRICS"#
        )
        #expect(run.status == 0, "\(run.output)\(run.errors)")

        let job = try sandbox.job("flags")
        #expect(job.schema == 1)
        #expect(job.state == "succeeded")
        #expect(job.counts["succeeded"] == 6)
        #expect(job.tasks.map(\.index) == Array(0..<6))
        let third = try #require(job.tasks.dropFirst(2).first)
        #expect(third.params == ["lr": .number(0.1), "seed": .number(3)])
        #expect(third.metrics == ["loss": 3])
        #expect(third.exitCode == 0 && third.attempt == 1)
        #expect(third.cpus.count == 1 && third.numaNodes == [0] && third.node != nil)
        #expect(Machine.text(third.stdout ?? "") == "lr=0.1 seed=3 0.1\n")
        #expect(try sandbox.martlet("logs", "\(job.id)_2").output == "lr=0.1 seed=3 0.1\n")

        let csv = try sandbox.martlet("results", "last", "--csv").output.split(separator: "\n")
        #expect(csv.count == 7)
        #expect(csv.first?.contains("lr,seed") == true && csv.first?.contains("loss") == true)
    }

    @Test("exit statuses follow the contract: 1 where a task failed, and the reason is told")
    func failingTask() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let root = try sandbox.busyboxRoot()
        let run = try sandbox.martlet(
            "run", "--image", root, "--name", "fails", "--sweep", "code=0,3", "--", "/bin/sh", "-c",
            "echo bad >&2; exit {code}")
        #expect(run.status == 1)
        let job = try sandbox.job("fails")
        #expect(job.tasks.map(\.state) == ["succeeded", "failed"])
        #expect(job.tasks.last?.exitCode == 3)
        #expect(
            run.errors.contains("bad") || run.output.contains("bad"),
            "the tail of a failed task's stderr is shown")
    }

    @Test("a time limit ends the whole tree, and the reason says so")
    func timeLimit() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", try sandbox.busyboxRoot(), "--name", "slow", "--time", "1s",
            "--grace", "1s", "--", "/bin/sh", "-c",
            "trap '' TERM; sleep 60 & sleep 60; wait")
        #expect(run.status == 1)
        let task = try #require(try sandbox.job("slow").tasks.first)
        #expect(task.state == "failed")
        #expect(task.signal == 9)
        #expect(task.reason?.contains("time") == true, "\(task.reason ?? "no reason")")
    }

    @Test("a retried task that comes right succeeds, with every attempt's logs kept")
    func retry() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", try sandbox.busyboxRoot(), "--name", "again", "--attempts", "3", "--",
            "/bin/sh", "-c",
            "echo attempt $MARTLET_ATTEMPT; [ $MARTLET_ATTEMPT = 3 ]")
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        let task = try #require(try sandbox.job("again").tasks.first)
        #expect(task.attempt == 3)
        let logs = URL(fileURLWithPath: try #require(task.stdout)).deletingLastPathComponent()
            .deletingLastPathComponent()
        for attempt in 1...3 {
            #expect(Machine.text(logs.path + "/\(attempt)/stdout") == "attempt \(attempt)\n")
        }
    }

    @Test("cancel ends running tasks and keeps the rest from starting")
    func cancel() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--image", try sandbox.busyboxRoot(), "--name", "long", "--sweep",
            "i=1..20", "--", "/bin/sleep", "60")
        #expect(submit.status == 0, "\(submit.errors)")
        let id = submit.output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try sandbox.martlet("cancel", id).status == 0)
        #expect(try sandbox.martlet("wait", id, "--timeout", "60").status == 1)
        let job = try sandbox.job(id)
        #expect(job.state == "cancelled")
        #expect(job.counts["cancelled"] == 20)
    }

    @Test("results that a task writes are kept, and files named by collect are brought back")
    func collect() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let spec = try sandbox.write(
            "collect.yaml",
            """
            name: collect
            image: \(try sandbox.busyboxRoot())
            workdir: /work
            command: [/bin/sh, -c, "echo one > $MARTLET_RESULTS/a.txt; mkdir -p out; echo two > out/best.bin; ln -s /etc/passwd out/best.link"]
            collect: ["out/best*"]
            """)
        let run = try sandbox.martlet("run", spec)
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        let task = try #require(try sandbox.job("collect").tasks.first)
        let results =
            URL(fileURLWithPath: try #require(task.stdout)).deletingLastPathComponent().path
            + "/results"
        #expect(Machine.text(results + "/a.txt") == "one\n")
        #expect(Machine.text(results + "/out/best.bin") == "two\n")
        #expect(
            !FileManager.default.fileExists(atPath: results + "/out/best.link"),
            "a link is not followed")
    }

    @Test("`image: host` runs on the machine's own root, read-only")
    func hostImage() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", "host", "--name", "host", "--", "/bin/sh", "-c",
            "cat /etc/debian_version; ! touch /usr/martlet-was-here")
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        #expect(
            try sandbox.martlet("logs", "host", "--stdout").output
                == Machine.text("/etc/debian_version"))
    }

    @Test(
        "an ordinary user without subordinate ids runs containers",
        .enabled(if: Machine.isRoot, "needs root to become somebody else"))
    func ordinaryUser() throws {
        let sandbox = try Sandbox(uid: 54321)
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", try sandbox.busyboxRoot(), "--name", "me", "--", "id")
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        #expect(try sandbox.martlet("logs", "me").output.contains("uid=0"))
    }

    @Test(
        "memory beyond the limit is reported as such",
        .enabled(if: Machine.isRoot, "needs a memory cgroup"))
    func outOfMemory() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", try sandbox.busyboxRoot(), "--name", "greedy", "--memory", "32MiB",
            "--", "/bin/sh", "-c",
            "dd if=/dev/zero of=/dev/null bs=256M count=1")
        #expect(run.status == 1, "\(run.output)\(run.errors)")
        let reason = try #require(try sandbox.job("greedy").tasks.first?.reason)
        #expect(reason.contains("memory"), "\(reason)")
    }
}
