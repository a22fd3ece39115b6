import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A container that root wants to be able to do what root can.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct PrivilegedTests {
    private static func privileged(_ spec: inout ContainerSpec) {
        spec.isPrivileged = true
        spec.seccomp = .unconfined
    }

    private static let status = "grep -E '^(Cap(Prm|Eff)|NoNewPrivs|Seccomp):' /proc/self/status"

    /// What `status` says of a process that may do all that this one may.
    private static func all() throws -> String {
        let digits = String(try Capabilities.permitted(), radix: 16)
        let mask = String(repeating: "0", count: 16 - digits.count) + digits
        return "CapPrm:\t\(mask)\nCapEff:\t\(mask)\nNoNewPrivs:\t0\nSeccomp:\t0\n"
    }

    @Test(arguments: Runner.rootOnly)
    func itMayDoAllThatItsLauncherMay(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(
            "\(Self.status); mkdir /m && mount -t tmpfs none /m && echo mounted", Self.privileged)
        #expect(ended.output == (try Self.all()) + "mounted\n", "\(ended.errors)")
    }

    @Test(arguments: Runner.rootOnly)
    func whoJoinsItMayDoTheSame(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping(Self.privileged)
        let exec = ExecSpec(arguments: ["sh", "-c", Self.status])
        #expect(try launcher.exec(exec, in: id).output == (try Self.all()))
    }

    @Test(arguments: Runner.rootOnly)
    func itSeesTheMachinesDevicesAndChangesNoneOfTheirNames(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(
            "ls /dev; rm -f /dev/full; touch /dev/martlet-test; echo $?; head -c 1 /dev/zero | wc -c;"
                + " ls /dev/shm; ls /dev/pts; echo x > /dev/shm/martlet-test && echo own",
            Self.privileged)
        let machine = try Files.names(in: "/dev").sorted()
        #expect(machine.count > PreparedTrees.devices.count)
        let lines = ended.output.split(separator: "\n").map(String.init)
        #expect(lines.prefix(machine.count).sorted() == machine)
        // Neither the machine's terminals nor its shared memory.
        #expect(lines.dropFirst(machine.count) == ["1", "1", "ptmx", "own"])
        #expect(Files.exists("/dev/full") && !Files.exists("/dev/martlet-test"))
        #expect(!Files.exists("/dev/shm/martlet-test"))
    }

    @Test(arguments: Runner.rootOnly)
    func nothingIsMasked(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        // The name is this container's own.
        let name = "/proc/sys/kernel/hostname"
        let line = "grep -c ' /proc/' /proc/mounts; cat \(name) > \(name) && echo wrote"
        #expect(try launcher.shell(line, Self.privileged).output == "0\nwrote\n")
        let ordinary = try launcher.shell(line)
        #expect(!ordinary.output.contains("wrote") && !ordinary.output.hasPrefix("0\n"))
    }

    @Test(arguments: Runner.rootOnly)
    func anotherUserInItHasNothingUntilAProgramGivesIt(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(Self.status) {
            Self.privileged(&$0)
            $0.user = "worker"
        }
        let none = String(repeating: "0", count: 16)
        #expect(
            ended.output == "CapPrm:\t\(none)\nCapEff:\t\(none)\nNoNewPrivs:\t0\nSeccomp:\t0\n")
    }

    @Test(arguments: Runner.possible.filter { $0 != .root })
    func aLauncherOfAnOrdinaryUserHasNothingToGive(runner: Runner) throws {
        let status = try LauncherUnderTest(runner).shell("true", Self.privileged).exit.status
        guard case .startFailure("start", let subject, EPERM) = status else {
            Issue.record("it ended with \(status)")
            return
        }
        #expect(subject.contains("ordinary user"))
    }
}
