import Foundation
import LinuxSystem
import Testing

/// Sitting at processes on a node, through the built executables, at a terminal and in pipes.
@Suite("Sessions", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct SessionTests {
    /// A job of one task that only waits; returns when it runs.
    private func sleeper(
        _ sandbox: Sandbox, image: String? = nil, name: String = "sleeper", _ flags: String...
    ) throws {
        let image = try image ?? sandbox.busyboxRoot()
        let submit = try sandbox.martlet(
            ["submit", "--image", image, "--name", name] + flags + ["--", "/bin/sleep", "300"])
        try #require(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("\(name) runs") {
            try sandbox.job(name).tasks.first?.state == "running"
        }
    }

    private func sh(_ sandbox: Sandbox, _ line: String) throws -> Outcome {
        try sandbox.run([
            "/bin/sh", "-c", "martlet() { \(Sandbox.binaries)/martlet \"$@\"; }; " + line,
        ])
    }

    // MARK: At a terminal

    @Test("a shell feels like ssh: size, colours, Ctrl-C, exit status")
    func shell() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        let sitting = try Sitting(sandbox, ["shell", "sleeper"], rows: 33, columns: 121)
        try sitting.read(until: "# ")
        #expect(!sitting.isCooked)
        try sitting.type("stty size; echo $TERM $COLORTERM; echo $MARTLET_TASK_COUNT.\r")
        try sitting.read(until: "33 121\r\nxterm-256color truecolor\r\n1.\r\n")
        try sitting.resize(44, 132)
        try sandbox.waitUntil("the new size") {
            try sitting.type("stty size\r")
            usleep(100_000)
            try sitting.read(until: "132")
            return sitting.text.contains("44 132\r\n")
        }
        try sitting.type("sleep 200; echo ended $?\r")
        usleep(300_000)
        try sitting.type("\u{3}")
        try sitting.type("echo a''live\r")
        try sitting.read(until: "alive\r\n")
        // Stopped and not lost: the keys go to the far side.
        try sitting.type("sleep 200\r")
        usleep(300_000)
        try sitting.type("\u{1a}")
        try sitting.read(until: "Stopped")
        try sitting.type("kill -9 %1\r")
        // The first may only tell of the job.
        try sitting.type("exit 7\rexit 7\r")
        #expect(try sitting.end() == 7)
        #expect(sitting.isCooked)
    }

    @Test("a terminal is set back where the command is killed, and what ran on the far side ends")
    func killed() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        let sitting = try Sitting(sandbox, ["shell", "sleeper"])
        try sitting.read(until: "# ")
        try sitting.type("exec sleep 345\r")
        try sandbox.waitUntil("it runs") { try isRunning("345") }
        kill(sitting.pid, SIGTERM)
        #expect(try sitting.end() == 128 + SIGTERM)
        #expect(sitting.isCooked)
        try sandbox.waitUntil("it has ended") { try !isRunning("345") }
    }

    @Test("a suspended command gives the terminal back, and takes it again")
    func suspended() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        let sitting = try Sitting(sandbox, ["shell", "sleeper"])
        try sitting.read(until: "# ")
        kill(sitting.pid, SIGTSTP)
        try sandbox.waitUntil("stopped") {
            Machine.text("/proc/\(sitting.pid)/stat").contains(") T ")
        }
        #expect(sitting.isCooked)
        kill(sitting.pid, SIGCONT)
        try sandbox.waitUntil("raw") { !sitting.isCooked }
        try sitting.type("echo b''ack; exit\r")
        try sitting.read(until: "back\r\n")
        #expect(try sitting.end() == 0)
    }

    @Test(
        "the terminal is set back and the reason told when the server ends or is killed",
        arguments: [SIGTERM, SIGKILL])
    func serverEnds(signal: Int32) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        let sitting = try Sitting(sandbox, ["shell", "sleeper"])
        try sitting.read(until: "# ")
        if signal == SIGKILL {
            let lock = Machine.text(sandbox.folder + "/home/run/server.lock")
            let pid = try #require(pid_t(lock.trimmingCharacters(in: .whitespacesAndNewlines)))
            kill(pid, SIGKILL)
        } else {
            #expect(try sandbox.martlet("server", "stop").status == 0)
        }
        #expect(try sitting.end() == 3)
        #expect(sitting.isCooked)
        #expect(sitting.text.contains("session is over"), "\(sitting.text)")
        // The task is not the session's affair.
        #expect(try sandbox.job("sleeper").tasks.first?.state == "running")
    }

    private func isRunning(_ argument: String) throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").contains {
            Machine.text("/proc/\($0)/cmdline") == "sleep\0\(argument)\0"
        }
    }

    // MARK: In pipes

    @Test("pipes carry every byte, apart, and the end of the input")
    func pipes() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        let hi = try sh(sandbox, "echo hi | martlet exec sleeper -i -- cat")
        #expect(hi.output == "hi\n" && hi.status == 0, "\(hi.errors)")
        let apart = try sandbox.martlet(
            "exec", "sleeper", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
        #expect(apart.output == "out\n" && apart.errors == "err\n" && apart.status == 3)
        // Nothing to read without -i.
        #expect(try sh(sandbox, "echo hi | martlet exec sleeper -- cat").output == "")
        let binary = try sh(
            sandbox,
            "head -c 3000000 /dev/urandom > data; martlet exec sleeper -i -- cat < data | cmp - data"
        )
        #expect(binary.status == 0, "\(binary.output)\(binary.errors)")
        let commands = try sh(sandbox, "printf 'echo one\\nexit 5\\n' | martlet shell sleeper")
        #expect(commands.output == "one\n" && commands.status == 5)
    }

    static let ends: [([String], Int32)] = [
        (["sleeper", "--", "true"], 0), (["sleeper", "--", "nonesuch"], 127),
        (["sleeper", "--", "/etc/passwd"], 126),
        (["sleeper", "--", "sh", "-c", "kill -9 $$"], 137),
        (["sleeper", "-u", "nobody-here", "--", "true"], 125),
        (["sleeper", "-w", "/none", "--", "true"], 125),
        (["sleeper", "-w", "none", "--", "true"], 2), (["sleeper_1", "--", "true"], 2),
        (["none", "--", "true"], 2), (["done", "--", "true"], 2), (["two", "--", "true"], 2),
        (["sleeper", "-it", "--", "true"], 2), (["sleeper"], 2),
    ]

    @Test("an exit status is the command's, or says why there is none")
    func exitStatus() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        let root = try sandbox.busyboxRoot()
        _ = try sandbox.martlet("run", "--image", root, "--name", "done", "--", "/bin/true")
        _ = try sandbox.martlet(
            "run", "--image", root, "--name", "two", "--sweep", "i=1,2", "--", "/bin/true")
        for (arguments, status) in Self.ends {
            let outcome = try sandbox.martlet(["exec"] + arguments)
            #expect(
                outcome.status == status, "\(arguments): \(outcome.output)\(outcome.errors)")
            if ![0, 137].contains(status) { #expect(!outcome.errors.isEmpty, "\(arguments)") }
        }
    }

    @Test(
        "user, directory and environment are the task's unless said otherwise; the machine's own root serves, too"
    )
    func surroundings() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox, "--workdir", "/work", "--env", "A=1", "--env", "B=2")
        let line = "pwd; echo $A $B; id -u"
        #expect(
            try sandbox.martlet("exec", "sleeper", "--", "sh", "-c", line).output
                == "/work\n1 2\n0\n")
        let changed = try sandbox.martlet(
            "exec", "sleeper", "-w", "/tmp", "-e", "B=3", "-u", Machine.isRoot ? "7:8" : "0", "--",
            "sh", "-c", line)
        #expect(changed.output == "/tmp\n1 3\n\(Machine.isRoot ? 7 : 0)\n", "\(changed.errors)")
        try sleeper(sandbox, image: "host", name: "here")
        let here = try sandbox.martlet("exec", "here", "--", "cat", "/etc/hostname")
        #expect(here.output == Machine.text("/etc/hostname") && here.status == 0)
    }

    @Test("who reads nothing holds up nobody, and costs no memory")
    func backpressure() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sleeper(sandbox)
        #expect(
            try sh(sandbox, "martlet exec sleeper -- yes | head -c 5000000 | wc -c").output
                == "5000000\n")
        func memory() throws -> Int {
            let status = try sandbox.martlet("server", "status", "--json").output
            let json = try JSONSerialization.jsonObject(with: Data(status.utf8))
            return try #require((json as? [String: Any])?["residentMemory"] as? Int)
        }
        let before = try memory()
        // Its reader sleeps.
        let reader = Process()
        reader.executableURL = URL(fileURLWithPath: "/bin/sh")
        reader.arguments = [
            "-c", "\(Sandbox.binaries)/martlet exec sleeper -- yes | sleep 4",
        ]
        reader.environment = ProcessInfo.processInfo.environment.merging([
            "MARTLET_HOME": sandbox.folder + "/home"
        ]) { $1 }
        try reader.run()
        usleep(1_500_000)
        // Another session and another job go on meanwhile.
        #expect(try sandbox.martlet("exec", "sleeper", "--", "echo", "quick").output == "quick\n")
        let root = try sandbox.busyboxRoot()
        #expect(try sandbox.martlet("run", "--image", root, "--", "/bin/true").status == 0)
        #expect(try memory() - before < 32 << 20)
        reader.waitUntilExit()
        try sandbox.waitUntil("yes has ended") {
            try sandbox.martlet("exec", "sleeper", "--", "sh", "-c", "cat /proc/*/cmdline").output
                .contains("yes") == false
        }
    }

    // MARK: A task of one's own

    @Test("run -it sits at the task: its output is logged, its exit status is the command's")
    func runAtATerminal() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        for image in [try sandbox.busyboxRoot(), "host"] {
            let sitting = try Sitting(
                sandbox, ["run", "--image", image, "--name", "mine", "-it", "--", "/bin/sh"],
                rows: 20, columns: 90)
            try sitting.read(until: "# ")
            try sitting.type("stty size; echo $TERM; sleep 200; echo ended $?\r")
            try sitting.read(until: "20 90\r\nxterm-256color\r\n")
            usleep(200_000)
            try sitting.type("\u{3}")
            try sitting.type("echo a''live; exit 9\r")
            try sitting.read(until: "alive\r\n")
            #expect(try sitting.end() == 9)
            #expect(sitting.isCooked)
            try sandbox.waitUntil("it has ended") { try sandbox.job("mine").state == "failed" }
            let task = try #require(try sandbox.job("mine").tasks.first)
            #expect(task.exitCode == 9)
            #expect(Machine.text(task.stdout ?? "").contains("alive\r\n"))
        }
        // Ctrl-C reaches a task that is no shell.
        let sitting = try Sitting(sandbox, ["run", "--image", "host", "-it", "--", "sleep", "456"])
        try sandbox.waitUntil("it runs") { try isRunning("456") && !sitting.isCooked }
        try sitting.type("\u{3}")
        #expect(try sitting.end() == 130)
    }

    @Test("a task whose person has gone is hung up")
    func runAndGo() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let sitting = try Sitting(
            sandbox, ["run", "--image", "host", "--name", "left", "-it", "--", "sleep", "567"])
        try sandbox.waitUntil("it runs") { try isRunning("567") && !sitting.isCooked }
        kill(sitting.pid, SIGKILL)
        try sandbox.waitUntil("it has ended") { try sandbox.job("left").state == "failed" }
        #expect(try sandbox.job("left").tasks.first?.exitCode == Int(128 + SIGHUP))
    }

    @Test("run -i pipes into the task and keeps its logs")
    func runInPipes() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        for _ in 0..<5 {
            let outcome = try sh(
                sandbox,
                "echo hi | martlet run --image host --name piped -i -- sh -c 'cat; echo err >&2; exit 4'"
            )
            #expect(outcome.output == "hi\n")
            #expect(outcome.errors == "err\n")
            #expect(outcome.status == 4)
        }
        try sandbox.waitUntil("it has ended") { try sandbox.job("piped").state == "failed" }
        let task = try #require(try sandbox.job("piped").tasks.first)
        #expect(Machine.text(task.stdout ?? "") == "hi\n")
        #expect(Machine.text(task.stderr ?? "") == "err\n")
        let many = try sandbox.martlet(
            "run", "--image", "host", "--sweep", "i=1,2", "-i", "--", "cat")
        #expect(many.status == 2 && many.errors.contains("one task"))
        let missing = try sandbox.martlet("run", "--image", "host", "-i", "--", "nonesuch")
        #expect(missing.status == 127, "\(missing.errors)")
    }
}
