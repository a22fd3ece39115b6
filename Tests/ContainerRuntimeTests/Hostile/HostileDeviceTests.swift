import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Devices of the machine that a container is shown: where it has a user namespace, and where it is masked something.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct HostileDeviceTests {
    /// In a user namespace, where nobody makes devices, with everybody in it.
    private static func mapEverybody(_ bundle: HostileBundle) {
        bundle.spec.linux.namespaces.append(NamespaceSpec(kind: .user))
        let all = IDMapping(containerID: 0, hostID: 0, size: 1 << 16)
        (bundle.spec.linux.uidMappings, bundle.spec.linux.gidMappings) = ([all], [all])
        bundle.spec.mounts.removeAll { ["cgroup", "sysfs"].contains($0.type) }
    }

    /// The machine's own nodes are shown where none can be made; whoever is their owner inside keeps his hands off them.
    @Test(arguments: Runner.rootOnly)
    func theMachinesDevicesKeepTheirModes(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.linux.maskedPaths = ["/proc/uptime"]
        // All have that mode already.
        let masked = try bundle.run("chmod 666 /proc/uptime || echo refused")
        #expect(masked.output == "refused\n")
        #expect(masked.errors.contains("/proc/uptime: Read-only file system"), "\(masked.errors)")
        Self.mapEverybody(bundle)
        let bound = try bundle.run(
            "for name in null zero full random urandom tty; do chmod 666 /dev/$name; done; chmod 666 /proc/self/fd/0"
        )
        #expect(bound.errors.split(separator: "\n").count == 7, "\(bound.errors)")
    }

    /// A stream that a caller has put on the machine's /dev/null is the container's own.
    @Test(arguments: Runner.rootOnly)
    func aStreamOnTheMachinesNullIsMoved(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let same = "[ $(stat -Lc %d:%i /proc/self/fd/0) = $(stat -c %d:%i /dev/null) ] && echo own"
        #expect(try bundle.run(same).output == "own\n")
        let id = try bundle.startSleeping()
        #expect(try bundle.runtime("exec", id, "sh", "-c", same).output == "own\n")
    }

    /// CVE-2025-31133: a device is what its numbers say, and not what its name does.
    @Test(arguments: Runner.rootOnly, ["null", "zero"])
    func aDeviceOfTheMachineThatIsNoneIsRefused(runner: Runner, name: String) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.linux.maskedPaths = ["/proc/uptime"]
        if name == "zero" { Self.mapEverybody(bundle) }
        #expect(try bundle.run("echo ran").output == "ran\n")
        bundle.prefix = Self.forging(name, bundle.victim + "/file")
        let ended = try bundle.run("echo ran")
        #expect(ended.status == 1)
        #expect(ended.output == "")
        #expect(ended.errors.contains("/dev/\(name)"), "\(ended.errors)")
        #expect(try bundle.isVictimUntouched)
    }

    @Test(arguments: Runner.rootOnly, ["null", "urandom"])
    func aLauncherServesNoDeviceThatIsNone(runner: Runner, name: String) throws {
        let bundle = try HostileBundle(runner)
        let place = bundle.folder.path + "/run"
        try Files.makeDirectories(place, mode: 0o700)
        bundle.prefix = Self.forging(
            name, bundle.victim + "/file", "timeout 5 \"$1\" serve \(place)")
        let ended = try bundle.runtime("serve")
        #expect(ended.status == 3)
        #expect(ended.errors.contains("/dev/\(name)"), "\(ended.errors)")
    }

    /// By v1's controller or a program of v2, wherever its node comes from.
    @Test(
        .enabled(if: CgroupHost.detect().canDenyDevices, "no cgroups that could deny devices"),
        arguments: Runner.rootOnly)
    func aDeviceThatNoRuleAllowsIsNotOpened(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        // mem(4): kmsg, which may be opened without any right as long as nothing is read.
        bundle.spec.linux.devices = [
            DeviceSpec(kind: .character, path: "/dev/own", major: 1, minor: 11)
        ]
        let open = "(exec 3> /dev/own) 2> /dev/null && echo opened || echo refused"
        #expect(try bundle.run(open).output == "refused\n")
        bundle.spec.linux.resources?.devices.append(DeviceRule(allow: true))
        #expect(try bundle.run(open).output == "opened\n")
    }

    /// Before a command, which then sees a file in the place of this device; nobody else does.
    private static func forging(
        _ name: String, _ file: String, _ command: String = "\"$@\""
    ) -> [String] {
        [
            "/usr/bin/unshare", "--mount", "/bin/sh", "-ec",
            "mount --bind \(file) /dev/\(name); exec \(command)", "sh",
        ]
    }
}

extension CgroupHost {
    fileprivate var canDenyDevices: Bool { v1["devices"] != nil || layout == .v2 }
}
