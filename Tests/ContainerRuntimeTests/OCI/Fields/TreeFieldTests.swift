import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What of its root filesystem a container sees, and may write: `root`, `linux.maskedPaths`, `readonlyPaths`, `devices`.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct TreeFieldTests {
    @Test(arguments: Runner.possible)
    func theRootIsWhatThePathNames(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        try bundle.image.write("etc/mark", "this image\n")
        for path in ["rootfs", bundle.folder.path + "/rootfs"] {
            bundle.spec.root = RootSpec(path: path)
            #expect(try bundle.said("cat /etc/mark") == "this image\n")
        }
    }

    @Test(arguments: Runner.possible)
    func aReadOnlyRootTakesNothingAndItsMountsDo(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.mount("/volume", "tmpfs")
        bundle.spec.root?.readonly = true
        let line = "(echo > /etc/new) 2>/dev/null || echo no; echo > /volume/new && echo yes"
        #expect(try bundle.said(line) == "no\nyes\n")
        bundle.spec.root?.readonly = false
        #expect(try bundle.said(line) == "yes\n")
    }

    @Test(arguments: Runner.possible)
    func maskedPathsAreEmptyAndWhatIsNotThereIsNoError(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        try Files.makeDirectories(bundle.image.path + "/secret/deep")
        bundle.linux.maskedPaths = ["/etc/passwd", "/secret", "/nowhere", "/etc/passwd/none"]
        let line = "cat /etc/passwd; ls /secret; (echo > /secret/new) 2>/dev/null || echo no"
        #expect(try bundle.said(line) == "no\n")
    }

    @Test(arguments: Runner.possible)
    func readOnlyPathsAreSeenAndNotWritten(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.readonlyPaths = ["/etc/group", "/tmp", "/nowhere"]
        let line = """
            for path in /etc/group /tmp/new /etc/new; do
                (echo >> $path) 2>/dev/null && echo yes || echo no
            done; wc -l < /etc/group
            """
        #expect(try bundle.said(line) == "no\nno\nyes\n3\n")
    }

    private static let own: [DeviceSpec] = {
        var zero = DeviceSpec(kind: .character, path: "/dev/own/zero", major: 1, minor: 5)
        (zero.fileMode, zero.uid, zero.gid) = (0o640, 7, 8)
        var pipe = DeviceSpec(kind: .fifo, path: "/dev/pipe", major: 0, minor: 0)
        pipe.fileMode = 0o600
        return [
            zero, pipe, DeviceSpec(kind: .block, path: "/dev/loop", major: 7, minor: 3),
        ]
    }()

    @Test(arguments: Runner.rootOnly)
    func devicesAreMadeWithTheirNumbersModesAndOwners(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.devices = Self.own
        bundle.process.capabilities?.bounding = 0
        let line = "cd /dev; stat -c '%F %t:%T %a %u:%g' own/zero pipe loop null"
        #expect(
            try bundle.said(line) == """
                character special file 1:5 640 7:8
                fifo 0:0 600 0:0
                block special file 7:3 666 0:0
                character special file 1:3 666 0:0

                """)
    }

    /// An ordinary user makes no devices, and gets those of the machine that have the name and the numbers.
    @Test(arguments: Runner.ordinary)
    func anOrdinaryUsersDevicesAreTheMachines(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.devices = [
            DeviceSpec(kind: .character, path: "/dev/zero", major: 1, minor: 5),
            DeviceSpec(kind: .fifo, path: "/dev/pipe", major: 0, minor: 0),
        ]
        #expect(
            try bundle.said("head -c 3 /dev/zero | wc -c; stat -c %F /dev/pipe") == "3\nfifo\n")
        bundle.linux.devices = [
            DeviceSpec(kind: .character, path: "/dev/zero", major: 1, minor: 3)
        ]
        #expect(try bundle.refusal().contains("linux.devices[0]"))
    }

    /// config-linux.md, "Default Devices"; runtime-linux.md, "Dev symbolic links".
    @Test(arguments: Runner.possible)
    func theUsualDevicesAreThere(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let line = """
            cd /dev; for name in null zero full random urandom tty; do
                test -c $name || echo $name is missing
            done
            for name in fd stdin stdout stderr ptmx; do readlink $name; done
            """
        #expect(
            try bundle.said(line) == """
                /proc/self/fd
                /proc/self/fd/0
                /proc/self/fd/1
                /proc/self/fd/2
                pts/ptmx

                """)
    }
}
