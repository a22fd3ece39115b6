import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What `create` and `run` take, and what comes of it.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct RunOptionTests {
    @Test(arguments: Runner.everybody)
    func theBundleIsWhereItIsSaidOrHere(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = ["echo", "ran"]
        for option in [["--bundle", bundle.folder.path], ["-b", bundle.folder.path]] {
            let ended = try bundle.plain(["run"] + option + [try bundle.write()])
            #expect(ended.output == "ran\n", "\(ended.errors)")
        }
        bundle.prefix = ["/usr/bin/env", "--chdir", bundle.folder.path]
        #expect(try bundle.plain(["run", try bundle.write()]).output == "ran\n")
        #expect(try bundle.plain(["run", "-b", "rootfs", try bundle.write()]).status == 1)
    }

    @Test(arguments: zip(Runner.everybody, ["--config", "-f", "-f"]))
    func aDocumentOfAnotherNameIsTaken(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = ["echo", "another"]
        try Files.writeAtomically(
            bundle.folder.path + "/other.json", bundle.spec.json(), durable: false)
        bundle.process.args = ["echo", "usual"]
        let id = try bundle.write()
        #expect(
            try bundle.runtime("run", option, bundle.folder.path + "/other.json", id).output
                == "another\n")
    }

    @Test(arguments: Runner.everybody, ["run", "create"])
    func thePidIsWrittenToAFile(runner: Runner, verb: String) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        let file = bundle.folder.path + "/state/pid"
        let detach = verb == "run" ? ["--detach"] : []
        let ended = try bundle.runtime([verb, "--pid-file", file] + detach + [id])
        #expect(ended.status == 0, "\(ended.errors)")
        #expect(try Files.text(file) == "\(try bundle.record(id).pid)")
    }

    @Test(arguments: zip(Runner.everybody, ["--detach", "-d", "-d"]))
    func runDoesNotWaitWhereItIsDetached(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        #expect(try bundle.runtime("run", option, id).status == 0)
        #expect(try bundle.state(id).status == .running)
    }

    @Test(arguments: Runner.possible, [true, false])
    func whatHasRunIsKeptWhereThatIsAsked(runner: Runner, isKept: Bool) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = ["sh", "-c", "exit 5"]
        let id = try bundle.write()
        #expect(try bundle.runtime(["run"] + (isKept ? ["--keep"] : []) + [id]).status == 5)
        #expect(try bundle.runtime("state", id).status == (isKept ? 0 : 1))
        if isKept { #expect(try bundle.state(id).status == .stopped) }
        #expect(try bundle.runtime("delete", id).status == (isKept ? 0 : 1))
    }

    @Test(arguments: Runner.possible)
    func descriptorsArePreservedByTheirNumber(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        try bundle.folder.write("given", "given")
        let file = try OwnedFD.open(bundle.folder.path + "/given", O_RDONLY)
        let list = ["sh", "-c", "cat <&4; ls /proc/self/fd | tr '\\n' ' '"]
        let given = [file.raw, file.raw, file.raw]
        #expect(
            try bundle.run(list, ["--preserve-fds", "2"], given: given).output
                == "given0 1 2 3 4 5 ")
    }

    /// sd_listen_fds(3): sockets come first, and whoever is to have them is told so by its pid.
    @Test(arguments: Runner.possible, [true, false])
    func socketsOfAServiceManagerArePassedOn(runner: Runner, hasOwnProcesses: Bool) throws {
        let bundle = try TestBundle(runner)
        if !hasOwnProcesses {
            bundle.linux.namespaces.removeAll { $0.kind == .pid }
            bundle.spec.mounts.removeAll { $0.destination == "/proc" }
            bundle.mount("/proc", "bind", "/proc", ["rbind"])
            (bundle.linux.maskedPaths, bundle.linux.readonlyPaths) = ([], [])
        }
        bundle.process.env += ["LISTEN_FDS=9", "LISTEN_PID=9"]
        for name in ["first", "second"] { try bundle.folder.write(name, name) }
        let first = try OwnedFD.open(bundle.folder.path + "/first", O_RDONLY)
        let second = try OwnedFD.open(bundle.folder.path + "/second", O_RDONLY)
        // Whoever hands them on knows the pid of the runtime, which is its own.
        func activated(_ pid: String) -> [String] {
            [
                "/bin/sh", "-c",
                "export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=\(pid); exec \"$@\"", "sh",
            ]
        }
        let line = """
            echo $LISTEN_FDS $LISTEN_FDNAMES; test $LISTEN_PID = $$ && echo me
            cat /proc/self/fd/3; test -e /proc/self/fd/4 && cat /proc/self/fd/4
            """
        let (given, shell) = ([first.raw, second.raw], ["sh", "-c", line])
        bundle.prefix = activated("$$")
        #expect(try bundle.run(shell, given: given).output == "1 web\nme\nfirst")
        #expect(
            try bundle.run(shell, ["--preserve-fds", "1"], given: given).output
                == "1 web\nme\nfirstsecond")
        // What is another process's is passed over.
        bundle.prefix = activated("1")
        #expect(try bundle.run(shell, given: given).output == "9\n")
        bundle.prefix = activated("$$") + ["env", "LISTEN_FDS=3"]
        #expect(try bundle.run(shell, given: given).errors.contains("descriptor 5 is not open"))
    }

    @Test(arguments: Runner.rootOnly)
    func theRootCanBeMovedWherePivotingCannotBe(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let line = [
            "sh", "-c", "ls -d /etc /rootfs; awk '$5 == \"/\"' /proc/self/mountinfo | wc -l",
        ]
        let pivoted = try bundle.run(line)
        let moved = try bundle.run(line, ["--no-pivot"])
        #expect(
            moved.output == pivoted.output && moved.output.hasPrefix("/etc\n"), "\(moved.errors)")
        // pivot_root(2) leaves no trace of how the root came to be: it is seen from outside which call was made.
        guard Fault.isPossible else { return }
        let log = bundle.folder.path + "/calls"
        bundle.prefix = Fault.watching(to: log)
        for (options, isCalled) in [([], true), (["--no-pivot"], false)] as [([String], Bool)] {
            #expect(try bundle.run(["true"], options).status == 0)
            #expect(try Files.text(log, limit: 1 << 24).contains("pivot_root(") == isCalled)
        }
    }

    private static let keys = "cat /proc/keys | grep -o '_ses.*'"

    /// keyrings(7): the session's, of which the program is in possession.
    @Test(.enabled(if: Files.exists("/proc/keys"), "no keys"), arguments: Runner.possible)
    func aContainerHasASessionKeyring(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.maskedPaths = []
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        #expect(try bundle.runtime("run", "--detach", id).status == 0)
        let name = "_ses." + id
        let line = "grep -o '^[0-9a-f]*\\|\(name): empty' /proc/keys | grep -B 1 \(name)"
        let first = try bundle.runtime("exec", id, "sh", "-c", line).output
        #expect(first.contains(name))
        // One for all of its processes.
        #expect(try bundle.runtime("exec", id, "sh", "-c", line).output == first)
    }

    @Test(.enabled(if: Files.exists("/proc/keys"), "no keys"), arguments: Runner.possible)
    func theCallersKeyringIsKeptWhereThatIsAsked(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.maskedPaths = []
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        #expect(try bundle.runtime("run", "--detach", "--no-new-keyring", id).status == 0)
        #expect(try bundle.runtime("exec", id, "grep", "_ses." + id, "/proc/keys").output == "")
    }

    /// The runtime does not become the parent of what a container leaves behind in any case: it takes the flag, and nothing
    /// of it is seen.
    @Test(arguments: Runner.possible)
    func noSubreaperIsTaken(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        #expect(try bundle.run(["echo", "ran"], ["--no-subreaper"]).output == "ran\n")
    }
}
