import Foundation
import Testing

/// What people do with a container, and what has to come of it whichever engine they use.
struct EngineCheck: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let body: @Sendable (Engine) throws -> Void

    private init(_ name: String, _ body: @escaping @Sendable (Engine) throws -> Void) {
        testDescription = name
        self.body = body
    }

    static let all = [
        ends, execs, stops, pauses, limits, outOfMemory, identity, privileges, mounts, terminal,
        machineNull, sharedNamespaces,
    ]

    static let ends = EngineCheck("a program's output and end, and why there is none") { engine in
        let cases: [(command: [String], status: Int32, output: String, says: String)] = [
            (["echo", "hello"], 0, "hello\n", ""),
            (["sh", "-c", "echo out; echo err >&2; exit 7"], 7, "out\n", "err"),
            (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137, "", ""),
            (["nothing-here"], 127, "", "nothing-here"),
            (["/etc/passwd"], 126, "", "permission denied"),
        ]
        for (command, status, output, says) in cases {
            let outcome = try engine.run(["--rm"], command)
            #expect(outcome.status == status, "\(command): \(outcome.errors)")
            #expect(outcome.output == output, "\(command)")
            #expect(says == "" || outcome.errors.lowercased().contains(says), "\(outcome.errors)")
        }
    }

    static let execs = EngineCheck("exec: user, directory, environment, input, status") { engine in
        try engine.withContainer([], ["sleep", "1000"]) { box in
            let who = try engine(
                "exec", "--user", "7:8", "--workdir", "/tmp", "--env", "A=b", box, "sh", "-c",
                "id -u; id -g; pwd; echo $A; exit 9")
            #expect(who.output == "7\n8\n/tmp\nb\n", "\(who.errors)")
            #expect(who.status == 9)
            #expect(try engine.piped("fed", "exec", "-i", box, "cat").output == "fed")
            #expect([126, 127].contains(try engine("exec", box, "nothing-here").status))
            try engine("exec", "--detach", box, "sh", "-c", "echo here > /tmp/mark; sleep 1000")
            try engine.sandbox.waitUntil("a detached exec runs") {
                try engine("exec", box, "cat", "/tmp/mark").output == "here\n"
            }
            #expect(try engine("top", box).output.contains("sleep 1000"))
        }
    }

    static let stops = EngineCheck("stop, start, restart and kill") { engine in
        let trap = "trap 'exit 3' TERM; echo ready; while true; do sleep 0.1; done"
        try engine.withContainer([], ["sh", "-c", trap]) { box in
            try engine.sandbox.waitUntil("it listens to signals") {
                try engine("logs", box).output == "ready\n"
            }
            #expect(try engine("stop", "--time", "30", box).status == 0)
            #expect(try engine.inspect(box, ".State.ExitCode") == "3")
            #expect(try engine("start", box).status == 0)
            #expect(try engine("exec", box, "true").status == 0)
            #expect(try engine("restart", "--time", "30", box).status == 0)
            #expect(try engine("kill", box).status == 0)
            try engine.sandbox.waitUntil("it is seen to have ended") {
                try engine.inspect(box, ".State.Status") == "exited"
            }
            #expect(try engine.inspect(box, ".State.ExitCode") == "137")
        }
    }

    static let pauses = EngineCheck("pause and unpause") { engine in
        let counts = "while true; do echo; sleep 0.01; done"
        try engine.withContainer([], ["sh", "-c", counts]) { box in
            #expect(try engine("pause", box).status == 0)
            #expect(try engine.inspect(box, ".State.Status") == "paused")
            #expect(try engine("exec", box, "true").status != 0)
            let before = try engine("logs", box).output.utf8.count
            // Twenty lines' time: what is frozen writes none.
            usleep(200_000)
            #expect(try engine("logs", box).output.utf8.count == before)
            #expect(try engine("unpause", box).status == 0)
            try engine.sandbox.waitUntil("it goes on") {
                try engine("logs", box).output.utf8.count > before
            }
        }
    }

    /// As the container sees them, on either version of cgroups.
    private static func limit(_ engine: Engine, _ box: String, _ v1: String, _ v2: String) throws
        -> String
    {
        try engine("exec", box, "sh", "-c", "cd /sys/fs/cgroup; cat \(v1) || cat \(v2)").output
    }

    static let limits = EngineCheck("limits, and their update") { engine in
        let options = [
            "--memory", "64m", "--memory-swap", "64m", "--pids-limit", "30", "--cpuset-cpus", "0",
        ]
        try engine.withContainer(options, ["sleep", "1000"]) { box in
            let memory = ("memory/memory.limit_in_bytes", "memory.max")
            #expect(try limit(engine, box, memory.0, memory.1) == "67108864\n")
            #expect(try limit(engine, box, "pids/pids.max", "pids.max") == "30\n")
            #expect(try limit(engine, box, "cpuset/cpuset.cpus", "cpuset.cpus") == "0\n")
            let update = try engine("update", "--memory", "80m", "--memory-swap", "80m", box)
            #expect(update.status == 0, "\(update.errors)")
            #expect(try limit(engine, box, memory.0, memory.1) == "83886080\n")
        }
    }

    static let outOfMemory = EngineCheck("a program that takes too much memory") { engine in
        let outcome = try engine.run(
            ["--rm", "--memory", "20m", "--memory-swap", "20m"],
            ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"])
        #expect(outcome.status == 137, "\(outcome.errors)")
    }

    static let identity = EngineCheck("name, user, groups, environment") { engine in
        let outcome = try engine.run(
            [
                "--rm", "--hostname", "nest", "--user", "7:8", "--group-add", "55", "--env", "A=b",
                "--workdir", "/tmp", "--sysctl", "kernel.msgmax=12345", "--oom-score-adj", "300",
            ],
            [
                "sh", "-c",
                "cd /proc/sys/kernel; cat hostname msgmax; id -u; id -G; echo $A; cat /proc/self/oom_score_adj",
            ])
        #expect(outcome.output == "nest\n12345\n7\n8 55\nb\n300\n", "\(outcome.errors)")
    }

    static let privileges = EngineCheck("capabilities, no_new_privs, seccomp") { engine in
        func status(_ options: String..., names: String) throws -> [String] {
            try engine.run(["--rm"] + options, ["grep", "-E", "^(\(names)):", "/proc/self/status"])
                .output.split(whereSeparator: \.isWhitespace).map(String.init)
        }
        let plain = try status(names: "NoNewPrivs|Seccomp")
        #expect(plain == ["NoNewPrivs:", "0", "Seccomp:", "2"])
        let none = try status(
            "--cap-drop", "all", "--security-opt", "no-new-privileges",
            "--security-opt", "seccomp=unconfined", names: "CapBnd|NoNewPrivs|Seccomp")
        #expect(none == ["CapBnd:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "0"])
        let one = try status("--cap-drop", "all", "--cap-add", "SYS_CHROOT", names: "CapEff")
        #expect(one == ["CapEff:", "0000000000040000"])
    }

    static let mounts = EngineCheck("volumes, tmpfs, devices, a read-only root") { engine in
        let shared = engine.sandbox.folder + "/shared"
        try FileManager.default.createDirectory(
            atPath: shared, withIntermediateDirectories: true)
        let outcome = try engine.run(
            [
                "--rm", "--read-only", "--volume", shared + ":/rw", "--volume", shared + ":/ro:ro",
                "--tmpfs", "/scratch:size=1m", "--device", "/dev/zero:/dev/nought",
            ],
            [
                "sh", "-c",
                """
                echo kept > /rw/file && cat /ro/file
                for place in /ro /etc /scratch; do (echo > $place/file) 2>/dev/null && echo $place; done
                head -c 2000000 /dev/nought > /scratch/file 2>/dev/null || echo full
                """,
            ])
        #expect(outcome.output == "kept\n/scratch\nfull\n", "\(outcome.errors)")
        #expect(Machine.text(shared + "/file") == "kept\n")
        let wrong = try engine.run(["--rm", "--volume", "/etc/passwd:/tmp"], ["true"])
        #expect(wrong.status != 0)
        #expect(wrong.errors.lowercased().contains("not a directory"), "\(wrong.errors)")
    }

    static let terminal = EngineCheck("a terminal of the container's own") { engine in
        let alone = try engine.run(
            ["--rm", "--tty"], ["sh", "-c", "tty; [ -c /dev/console ] && echo it"])
        #expect(alone.output == "/dev/pts/0\r\nit\r\n", "\(alone.errors)")
        try engine.withContainer([], ["sleep", "1000"]) { box in
            let added = try engine("exec", "--tty", box, "sh", "-c", "tty; exit 5")
            #expect(added.output == "/dev/pts/0\r\n", "\(added.errors)")
            #expect(added.status == 5)
        }
    }

    private static func stamp(_ path: String) throws -> timespec {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return status.st_mtim
    }

    /// By a time stamp, which harms nobody where the defence is missing.
    static let machineNull = EngineCheck("the machine's /dev/null is out of reach") { engine in
        let before = try stamp("/dev/null")
        let script = """
            echo gone > /proc/keys && cat /proc/keys
            touch /proc/self/fd/0
            touch /proc/keys 2>/dev/null || echo refused
            """
        let outcome = try engine.run(["--rm"], ["sh", "-c", script])
        #expect(outcome.output == "refused\n", "\(outcome.errors)")
        let after = try stamp("/dev/null")
        #expect(after.tv_sec == before.tv_sec && after.tv_nsec == before.tv_nsec)
    }

    static let sharedNamespaces = EngineCheck("namespaces of another container") { engine in
        try engine.withContainer(["--ipc", "shareable"], ["sleep", "1000"]) { box in
            let seen = try engine.run(
                ["--rm", "--pid", "container:\(box)", "--ipc", "container:\(box)"],
                [
                    "sh", "-c",
                    "head -c 5 /proc/1/cmdline; [ /proc/1/ns/ipc -ef /proc/self/ns/ipc ] && echo ing",
                ])
            #expect(seen.output == "sleeping\n", "\(seen.status) \(seen.errors)")
        }
    }
}
