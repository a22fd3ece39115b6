import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A process put into a running container, beside its task.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct ExecTests {
    @Test(arguments: Runner.possible, [false, true])
    func itStandsBesideTheTask(runner: Runner, withInit: Bool) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping {
            $0.withInit = withInit
            $0.hostname = "there"
            $0.memoryLimit = 64 << 20
        }
        let line = """
            hostname; cat /tmp/mark; echo wrong >&2; pwd
            for kind in pid mnt ipc uts net; do
                [ "$(readlink /proc/self/ns/$kind)" = "$(readlink /proc/$(cat /tmp/pid)/ns/$kind)" ] || echo "other $kind"
            done
            for file in cgroup limits; do
                [ "$(cat /proc/self/$file)" = "$(cat /proc/$(cat /tmp/pid)/$file)" ] || echo "other $file"
            done
            grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp' /proc/self/status > /tmp/mine
            grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp' /proc/$(cat /tmp/pid)/status > /tmp/theirs
            [ "$(cat /tmp/mine)" = "$(cat /tmp/theirs)" ] || cat /tmp/mine /tmp/theirs
            ls /proc/self/fd | wc -l; exit 7
            """
        var spec = ExecSpec(arguments: ["sh", "-c", line])
        spec.workingDirectory = "/tmp"
        let ended = try launcher.exec(spec, in: id)
        #expect(ended.output == "there\nmarked\n/tmp\n4\n", "\(ended.errors)")
        #expect(ended.errors == "wrong\n")
        #expect(ended.status == .code(7))
    }

    @Test(arguments: Runner.possible)
    func itEndsWithASignalAsItDid(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let ended = try launcher.exec(ExecSpec(arguments: ["sh", "-c", "kill -TERM $$"]), in: id)
        #expect(ended.status == .signal(SIGTERM))
    }

    @Test(arguments: Runner.rootOnly)
    func itsUserIsLookedUpInTheContainer(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        var spec = ExecSpec(arguments: ["sh", "-c", "id -u; id -g; id -G; umask; echo $HOME"])
        spec.identity = .named("worker")
        #expect(
            try launcher.exec(spec, in: id).output
                == "1000\n1001\n1001 2000\n0022\n/home/worker\n")
        spec.identity = .ids(uid: 7, gid: 8, groups: [9])
        spec.umask = 0o077
        #expect(try launcher.exec(spec, in: id).output == "7\n8\n8 9\n0077\n/\n")
        spec.privileges = .sets(
            CapabilitySets(
                bounding: 3, effective: 1, permitted: 3, inheritable: 1, ambient: 1))
        spec.arguments = ["grep", "Cap", "/proc/self/status"]
        let sets = try launcher.exec(spec, in: id).output.split(separator: "\n").map {
            $0.suffix(1)
        }
        // Inheritable, permitted, effective, bounding, ambient: what exec leaves of them, capability(7).
        #expect(sets == ["1", "1", "1", "3", "1"])
    }

    @Test(arguments: Runner.possible)
    func whatCannotBeRunSaysWhy(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        var cases: [(ExecSpec, String, Int32)] = [
            (ExecSpec(arguments: ["nonesuch"]), "exec", ENOENT),
            (ExecSpec(arguments: ["/etc/passwd"]), "exec", EACCES),
        ]
        var nobody = ExecSpec(arguments: ["true"])
        nobody.identity = .named("nobody-here")
        cases.append((nobody, "find user", ENOENT))
        var nowhere = ExecSpec(arguments: ["true"])
        nowhere.workingDirectory = "/none"
        cases.append((nowhere, "chdir", ENOENT))
        for (spec, step, errno) in cases {
            guard case .startFailure(step, _, errno) = try launcher.exec(spec, in: id).status else {
                Issue.record("\(step): another end")
                continue
            }
        }
        let elsewhere = try launcher.exec(ExecSpec(arguments: ["true"]), in: "9_9.9")
        #expect(
            elsewhere.status
                == .startFailure(step: "exec", subject: "9_9.9 (it does not run)", errno: ESRCH))
    }

    // MARK: Ends

    @Test(arguments: Runner.possible)
    func itEndsWithTheContainer(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let exec = try launcher.beginExec(ExecSpec(arguments: ["sleep", "100"]), in: id)
        try launcher.send(.stop(id: id))
        #expect(try launcher.finishExec(exec) == .signal(SIGKILL))
    }

    @Test(arguments: Runner.possible)
    func hangingUpReachesItsWholeGroup(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let line = "trap 'echo inner; exit' HUP; while :; do sleep 0.02; done"
        let exec = try launcher.beginExec(
            ExecSpec(arguments: ["sh", "-c", "trap 'wait; exit 4' HUP; sh -c \"\(line)\" & wait"]),
            in: id)
        // Until both have set their traps.
        usleep(200_000)
        try launcher.send(.hangUp(id: exec))
        #expect(try launcher.finishExec(exec) == .code(4))
        #expect(try launcher.output(exec) == "inner\n")
    }

    @Test(arguments: Runner.possible)
    func anAgentThatGoesTakesItsSessionsAlong(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let line = "trap 'echo gone; exit' HUP; echo here; while :; do sleep 0.02; done"
        let exec = try launcher.beginExec(ExecSpec(arguments: ["sh", "-c", line]), in: id)
        #expect(try eventually { try launcher.output(exec) == "here\n" })
        _ = try launcher.reconnect()
        #expect(try eventually { try launcher.output(exec) == "here\ngone\n" })
    }

    /// Its parent has gone with SIGKILL, and so has PID 1.
    @Test(arguments: Runner.possible)
    func aKilledLauncherLeavesNoneBehind(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let (reader, writer) = try UnixSocket.pair(.stream).release()
        defer { close(reader) }
        let exec = ExecSpec(arguments: ["sh", "-c", "trap '' HUP TERM; while :; do sleep 1; done"])
        _ = try launcher.beginExec(exec, in: id, [writer, writer, writer])
        close(writer)
        launcher.killLauncher()
        try launcher.startAgain()
        // The end of the stream comes with the last process that holds it.
        var poller = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
        #expect(poll(&poller, 1, 10_000) == 1)
        #expect(poller.revents & Int16(POLLHUP) != 0)
    }

    // MARK: Terminals

    @Test(arguments: Runner.possible)
    func aTerminalIsTheContainersOwn(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        var spec = ExecSpec(arguments: ["sh"])
        spec.terminal = TerminalSize(rows: 31, columns: 97)
        let exec = try launcher.beginExec(spec, in: id, [])
        let terminal = TestTerminal(try #require(launcher.terminal))
        try terminal.type("tty; stty size; stat -c %u:%a /dev/pts/0\r")
        try terminal.read(until: "/dev/pts/0\r\n31 97\r\n0:620\r\n")
        try TerminalSize(rows: 17, columns: 111).apply(to: terminal.fd.raw)
        try terminal.type("stty size\r")
        try terminal.read(until: "17 111\r\n")
        // Ctrl-C ends what runs in front and not the shell.
        try terminal.type("sleep 101; echo ended $?\r")
        try launcher.awaitChild("sleep", "101")
        try terminal.type("\u{3}")
        try terminal.type("echo a''live\r")
        try terminal.read(until: "alive\r\n")
        try terminal.type("exit 9\r")
        #expect(try launcher.finishExec(exec) == .code(9))
    }

    @Test(arguments: Runner.possible)
    func aTerminalThatIsTakenAwayHangsUp(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        var spec = ExecSpec(
            arguments: [
                "sh", "-c", "trap 'touch /tmp/hup; exit 3' HUP; while :; do sleep 0.02; done",
            ])
        spec.terminal = TerminalSize()
        let exec = try launcher.beginExec(spec, in: id, [])
        usleep(200_000)
        close(try #require(launcher.terminal))
        #expect(try launcher.finishExec(exec) == .code(3))
    }

    /// The task's own: an init in between takes what is typed for the task alone.
    @Test(arguments: Runner.possible)
    func aTasksTerminalIsItsOwn(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let line =
            "trap 'n=$((n+1)); echo int $n' INT; tty; while [ ! -e /tmp/end ]; do sleep 0.05; done"
        let id = try launcher.start(
            launcher.spec(line) {
                $0.withInit = true
                $0.terminal = TerminalSize(rows: 5, columns: 6)
            })
        try launcher.awaitStart(id)
        let terminal = TestTerminal(try #require(launcher.terminal))
        try terminal.read(until: "/dev/pts/0\r\n")
        try terminal.type("\u{3}")
        try terminal.read(until: "int 1\r\n")
        _ = try launcher.exec(ExecSpec(arguments: ["touch", "/tmp/end"]), in: id)
        #expect(try launcher.finish(id).exit.status == .code(0))
        #expect(!terminal.text.contains("int 2"))
    }

    // MARK: Safety

    /// CVE-2016-9962, CVE-2019-5736: until it runs exec the process is the launcher's program with the launcher's memory.
    /// The container makes that time long, by accounts that take long to read, and looks all the time.
    @Test(arguments: Runner.possible)
    func theContainerSeesNothingOfAProcessThatEnters(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let accounts = (0..<5000).map { "u\($0):x:\(2000 + $0):2000:a long comment:/:/bin/sh\n" }
        try launcher.image.write("etc/passwd", accounts.joined())
        let look = """
            echo $$ > /tmp/pid; echo marked > /tmp/mark
            while [ ! -e /tmp/end ]; do
                for process in /proc/[0-9]*; do
                    exe=$(readlink $process/exe) && case $exe in */busybox) ;; *) echo "$exe" ;; esac
                done
            done; echo done
            """
        let id = try launcher.start(launcher.spec(look))
        try launcher.awaitStart(id)
        var spec = ExecSpec(arguments: ["true"])
        spec.identity = .named("u0")
        if runner == .ordinaryUser { spec.identity = .named("0") }
        for _ in 0..<5 { _ = try launcher.exec(spec, in: id) }
        _ = try launcher.exec(ExecSpec(arguments: ["touch", "/tmp/end"]), in: id)
        #expect(try launcher.finish(id).output == "done\n")
    }

    /// CVE-2025-52565: what the container puts in the place of its terminals is not taken for one.
    @Test(arguments: Runner.possible)
    func aForgedTerminalIsRefused(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let forged = launcher.folder.path + "/forged"
        try Files.makeDirectories(forged)
        for name in ["link", "file"] {
            let place = "\(forged)/\(name).d"
            try Files.makeDirectories(place)
            if name == "link" {
                try checkErrno(symlink("/dev/ptmx", place + "/ptmx"), "symlink")
            } else {
                try Files.writeAtomically(place + "/ptmx", Array("".utf8), mode: 0o666)
            }
            chmod(place, 0o777)
            let id = try launcher.startSleeping {
                $0.mounts = [.init(source: place, destination: "/dev/pts")]
            }
            var spec = ExecSpec(arguments: ["sh"])
            spec.terminal = TerminalSize()
            guard
                case .startFailure("make terminal", _, _) = try launcher.exec(spec, in: id).status
            else {
                Issue.record("\(name): it was taken")
                continue
            }
        }
    }

    /// Whoever brings /dev/null along brings the machine's. It has that mode already.
    @Test(arguments: Runner.possible)
    func theMachinesNullKeepsItsMode(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let chmod = ExecSpec(arguments: ["chmod", "666", "/proc/self/fd/0"])
        #expect(try launcher.exec(chmod, in: id).status == .code(1))
    }

    /// CVE-2024-21626, at the second door: whatever the launcher holds, of which its stdin is one that cannot be closed.
    @Test(arguments: Runner.possible)
    func theWorkingDirectoryCannotBeADescriptorOfTheMachine(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping()
        let machine = try OwnedFD.open("/", O_RDONLY | O_DIRECTORY)
        let out = try OwnedFD.open(launcher.folder.path + "/said", O_WRONLY | O_CREAT)
        for fd in [0] + Array(3...40) {
            var spec = ExecSpec(arguments: ["sh", "-c", "pwd; ls ../../../.."])
            spec.workingDirectory = "/proc/self/fd/\(fd)"
            let exec = try launcher.beginExec(spec, in: id, [machine.raw, out.raw, out.raw])
            switch try launcher.finishExec(exec) {
            case .startFailure("chdir", _, let errno): #expect((errno == EPERM) == (fd == 0))
            case let status:
                // A directory of the container.
                let said = try Files.text(launcher.folder.path + "/said")
                #expect(status == .code(0) && !said.contains("unreachable"), "\(fd): \(said)")
                #expect(!said.contains("home"), "\(fd): \(said)")
            }
        }
    }
}

/// The near end of a terminal, as a person sits at it.
final class TestTerminal {
    let fd: OwnedFD
    private(set) var text = ""

    init(_ fd: Int32) { self.fd = OwnedFD(fd) }

    func type(_ text: String) throws { try Files.writeAll(fd.raw, text.utf8, "terminal") }

    /// Fails after ten seconds.
    func read(until expected: String) throws {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !text.contains(expected) {
            var poller = pollfd(fd: fd.raw, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 10_000) == 1 else {
                throw SystemError("see \(expected.debugDescription) in", text, errno: ETIMEDOUT)
            }
            let count = Glibc.read(fd.raw, &buffer, buffer.count)
            guard count > 0 else { throw SystemError("see \(expected) in", text, errno: EIO) }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}
