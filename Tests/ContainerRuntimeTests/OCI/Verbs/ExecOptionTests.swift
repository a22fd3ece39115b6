import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What `exec` takes, and what comes of it.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct ExecOptionTests {
    private func exec(_ bundle: TestBundle, _ id: String, _ options: [String], _ line: String)
        throws
        -> String
    {
        let ended = try bundle.runtime(["exec"] + options + [id, "sh", "-c", line])
        return ended.output + ended.errors
    }

    @Test(arguments: Runner.everybody)
    func aProcessIsInTheContainerAndEndsForItself(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.env.append("OF=container")
        let id = try bundle.startSleeping("touch /tmp/mark; exec sleep 100")
        let line = "ls /tmp; echo $OF; cat /proc/1/cmdline | tr '\\0' ' '; exit 6"
        let ended = try bundle.runtime("exec", id, "sh", "-c", line)
        #expect(ended.output == "mark\ncontainer\nsleep 100 ")
        #expect(ended.status == 6)
        #expect(try bundle.runtime("exec", id, "no-such-program").status == 255)
        #expect(try bundle.runtime("exec", id, "sh", "-c", "kill -9 $$").status == 137)
        #expect(try bundle.state(id).status == .running)
    }

    @Test(arguments: Runner.possible)
    func itsDirectoryAndEnvironmentAreAsAsked(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let line = "pwd; echo $A $B"
        let options = ["--cwd", "/etc", "--env", "A=1", "-e", "B=2 3"]
        #expect(try exec(bundle, id, options, line) == "/etc\n1 2 3\n")
    }

    @Test(arguments: Runner.everybody.filter { $0 != .ordinaryUser })
    func itsUserIsAsAsked(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let line = "id -u; id -G"
        #expect(try exec(bundle, id, ["--user", "7:8"], line) == "7\n8\n")
        #expect(
            try exec(bundle, id, ["-u", "7", "-g", "9", "--additional-gids", "10"], line)
                == "7\n0 9 10\n")
    }

    /// One id is mapped, and nobody else is there.
    @Test(arguments: Runner.possible.filter { $0 == .ordinaryUser })
    func withoutSubordinateIDsThereIsNobodyElse(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        #expect(try exec(bundle, id, ["--user", "0:0"], "id -u") == "0\n")
        #expect(try exec(bundle, id, ["--user", "7"], "id -u").contains("subordinate ids"))
        #expect(try exec(bundle, id, ["-g", "7"], "id -u").contains("additionalGids"))
    }

    @Test(arguments: Runner.possible)
    func itHasMoreCapabilitiesWhereTheyAreGiven(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let line = "grep CapEff /proc/self/status | tr -d '\\t'"
        #expect(try exec(bundle, id, [], line) == "CapEff:0000000020000420\n")
        let options = ["--cap", "CAP_CHOWN", "-c", "CAP_FOWNER"]
        #expect(try exec(bundle, id, options, line) == "CapEff:0000000020000429\n")
        #expect(try bundle.runtime("exec", "--cap", "CAP_NONE", id, "true").status == 255)
    }

    @Test(arguments: Runner.possible)
    func itGainsNoPrivilegesWhereThatIsAsked(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.noNewPrivileges = false
        let id = try bundle.startSleeping()
        let line = "grep NoNewPrivs /proc/self/status"
        #expect(try exec(bundle, id, [], line) == "NoNewPrivs:\t0\n")
        #expect(try exec(bundle, id, ["--no-new-privs"], line) == "NoNewPrivs:\t1\n")
    }

    @Test(arguments: zip(Runner.everybody, ["--process", "-p", "-p"]))
    func aDocumentSaysAllOfIt(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        try bundle.folder.write(
            "process.json",
            #"{"cwd":"/tmp","args":["sh","-c","pwd; umask; env"],"env":["ONLY=this"],"user":{"uid":0,"gid":0,"umask":63}}"#
        )
        let ended = try bundle.runtime("exec", option, bundle.folder.path + "/process.json", id)
        // What the shell itself adds.
        let own = ["PWD=", "SHLVL=", "PATH="]
        let told = ended.output.split(separator: "\n").filter { line in
            !own.contains { line.hasPrefix($0) }
        }
        #expect(told.sorted() == ["/tmp", "0077", "HOME=/root", "ONLY=this"], "\(ended.errors)")
    }

    /// Whoever takes in what a detached process leaves may take seconds, for which the container's end waits: two are enough.
    @Test(arguments: zip([Runner.possible[0], Runner.ordinary[0]], ["--detach", "-d"]))
    func itIsNotWaitedForWhereItIsDetached(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let file = bundle.folder.path + "/state/exec-pid"
        let ended = try bundle.runtime(
            "exec", option, "--pid-file", file, id, "sh", "-c", "echo $$ > /tmp/own; exec sleep 100"
        )
        #expect(ended.status == 0, "\(ended.errors)")
        let pid = try Files.text(file)
        #expect(eventually { (try? Files.text("/proc/\(pid)/cmdline")) == "sleep\0100\0" })
        #expect(try exec(bundle, id, [], "readlink /proc/$(cat /tmp/own)/exe") == "/bin/busybox\n")
    }

    @Test(
        arguments: zip(
            [Runner.possible[0], Runner.possible[0]] + Runner.ordinary,
            [["--tty"], ["-td"], ["-t"], ["-t"]]))
    func itHasATerminalWhereThatIsAsked(runner: Runner, options: [String]) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let socket = try ConsoleSocket(of: bundle)
        let exec = ["exec"] + options + ["--console-socket", socket.path, id]
        let running = try bundle.begin(
            exec + ["sh", "-c", "tty; read line; echo got $line; exit 4"])
        let terminal = try socket.terminal()
        try terminal.read(until: "/dev/pts/0\r\n")
        try terminal.type("word\r")
        try terminal.read(until: "got word\r\n")
        #expect(try running.end().status == (options == ["-td"] ? 0 : 4))
        // Nobody shows it.
        let refused = try bundle.runtime("exec", "-td", id, "true")
        #expect(refused.status == 255 && refused.errors.contains("--console-socket"))
    }

    private static let cpus = ((try? Affinity.current()) ?? []).sorted()

    /// `process.execCPUAffinity.initial`, where nothing else is asked for. Of `final` NUMATests tells.
    @Test(.enabled(if: cpus.count > 1, "one CPU"), arguments: Runner.everybody)
    func itStaysOnTheProcessorsThatItComesBy(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let cpu = Self.cpus[1]
        bundle.process.execCPUAffinity = ("\(cpu)", nil)
        let id = try bundle.startSleeping()
        let line = "grep Cpus_allowed_list /proc/self/status"
        #expect(try exec(bundle, id, [], line) == "Cpus_allowed_list:\t\(cpu)\n")
    }

    @Test(arguments: Runner.possible)
    func descriptorsArePreservedByTheirNumber(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        try bundle.folder.write("given", "given")
        let file = try OwnedFD.open(bundle.folder.path + "/given", O_RDONLY)
        let words = ["exec", "--preserve-fds", "1", id, "sh", "-c", "cat <&3; ls /proc/self/fd"]
        let ended = try bundle.runtime(words, given: [file.raw, file.raw])
        #expect(ended.output == "given0\n1\n2\n3\n4\n", "\(ended.errors)")
    }

    @Test(
        .enabled(if: geteuid() == 0 && LiveCgroups.has("freezer"), "nothing to pause with"))
    func whatIsPausedIsNotJoinedUnlessThatIsAsked() throws {
        let bundle = try TestBundle()
        let id = try bundle.startSleeping()
        #expect(try bundle.runtime("pause", id).status == 0)
        #expect(try bundle.runtime("exec", id, "true").errors.contains("paused"))
        let running = try bundle.begin(["exec", "--ignore-paused", id, "echo", "ran"])
        #expect(try bundle.runtime("resume", id).status == 0)
        #expect(try running.end().output == "ran\n")
    }

    @Test(arguments: zip(Runner.everybody, ["--apparmor", "--process-label", "--process-label"]))
    func aLabelThatTheMachineLacksIsRefused(runner: Runner, option: String) throws {
        let host = BundleHost.detect()
        guard !host.hasAppArmor, !host.hasSELinux else { return }
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let ended = try bundle.runtime("exec", option, "some-label", id, "true")
        #expect(ended.status == 255 && ended.errors.contains("this machine has no"))
    }
}
