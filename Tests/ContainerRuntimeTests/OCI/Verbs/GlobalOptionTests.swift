import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What stands before the verb.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct GlobalOptionTests {
    @Test(arguments: Runner.everybody)
    func containersAreKeptBelowTheRoot(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let other = bundle.folder.path + "/state/other"
        #expect(try bundle.plain(["--root", other, "state", id]).status == 1)
        #expect(
            try bundle.plain(["--root=" + bundle.folder.path + "/state", "state", id]).status == 0)
    }

    /// Where nobody says, an ordinary user's are where the session's files are.
    @Test(arguments: Runner.ordinary)
    func anOrdinaryUsersContainersAreTheSessions(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.environment.append("XDG_RUNTIME_DIR=" + bundle.folder.path + "/state")
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        let made = try bundle.command(["run", "-d", "-b", bundle.folder.path, id])
        #expect(made.status == 0, "\(made.errors)")
        #expect(Files.exists(bundle.folder.path + "/state/martlet-runtime/\(id)/record"))
        #expect(try bundle.command(["list", "-q"]).output == id + "\n")
        #expect(try bundle.command(["delete", "--force", id]).status == 0)
    }

    @Test(arguments: Runner.possible)
    func errorsGoToTheLogInItsFormat(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let log = bundle.folder.path + "/state/log"
        let failing = ["state", "nobody"]
        let ended = try bundle.plain(["--log", log] + failing)
        #expect(ended.errors.contains("does not exist"))
        #expect(
            try Files.text(log).hasSuffix(
                "error: container nobody: no such file or directory; it does not exist\n"))
        unlink(log)
        _ = try bundle.plain(["--log", log, "--log-format", "json"] + failing)
        let line = try Files.text(log)
        #expect(
            line.hasPrefix(#"{"level":"error","msg":"container nobody"#)
                && line.contains(#""time":""#))
        #expect(
            try bundle.plain(["--log-format", "xml"] + failing).errors.contains("--log-format"))
        _ = try bundle.plain(
            ["--log", log, "--log-level", "debug", "--log-format", "json"] + failing)
        #expect(try Files.text(log).split(separator: "\n").count == 2)
    }

    /// An ordinary user's container goes without a cgroup, which is worth a line to whoever wants to know.
    @Test(arguments: Runner.ordinary, [true, false])
    func leniencyIsLoggedToWhoeverDebugs(runner: Runner, isDebugging: Bool) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = ["true"]
        let log = bundle.folder.path + "/state/log"
        let words = ["--log", log] + (isDebugging ? ["--debug"] : [])
        let ended = try bundle.plain(words + ["run", "-b", bundle.folder.path, try bundle.write()])
        #expect(ended.status == 0, "\(ended.errors)")
        #expect(((try? Files.text(log)) ?? "").contains("no cgroup") == isDebugging)
    }

    @Test(
        .enabled(if: LiveCgroups.isPossible, "no cgroups of one's own"),
        arguments: ["cgroupfs", "disabled"])
    func theManagerMakesCgroupsOrNone(manager: String) throws {
        let bundle = try TestBundle()
        bundle.process.args = ["sleep", "100"]
        bundle.linux.resources = nil
        let id = try bundle.write()
        let words = ["--cgroup-manager", manager, "run", "-d", "-b", bundle.folder.path, id]
        let ended = try bundle.plain(words)
        #expect(ended.status == 0, "\(ended.errors)")
        let groups = try Files.text("/proc/\(bundle.record(id).pid)/cgroup")
        #expect(groups.contains("/" + id) == (manager == "cgroupfs"))
    }

    /// Where there is no systemd, whoever asks for it is told.
    @Test(
        .enabled(if: !Files.exists("/run/systemd/private"), "systemd runs"),
        arguments: [["--cgroup-manager", "systemd"], ["--systemd-cgroup"]])
    func systemdThatIsNotThereIsTold(options: [String]) throws {
        let bundle = try TestBundle()
        bundle.process.args = ["true"]
        let ended = try bundle.plain(
            options + ["run", "-b", bundle.folder.path, try bundle.write()])
        #expect(ended.status == 1 && ended.errors.contains("systemd"), "\(ended.errors)")
        #expect(try Files.names(in: bundle.folder.path + "/state").isEmpty)
    }

    @Test(arguments: Runner.possible)
    func itTellsItsVersionAndItsUsage(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        for option in ["--version", "-v"] {
            let told = try bundle.command([option]).output
            #expect(told.hasPrefix("martlet-runtime version ") && told.contains("spec: 1."))
        }
        for option in ["--help", "-h"] {
            #expect(try bundle.command([option]).output.contains("martlet-runtime create "))
            #expect(try bundle.command(["exec", option]).output.contains("--console-socket"))
        }
        #expect(try bundle.command(["no-such-verb"]).status == 1)
        #expect(try bundle.command(["--no-such-option"]).status == 1)
    }

    /// Callers of runc give them; there is nothing here that they would change.
    @Test(arguments: [["--criu", "/usr/bin/criu"], ["--rootless", "auto"]])
    func whatCallersOfRuncGiveIsTaken(options: [String]) throws {
        let bundle = try TestBundle()
        #expect(try bundle.plain(options + ["list", "-q"]).status == 0)
    }
}
