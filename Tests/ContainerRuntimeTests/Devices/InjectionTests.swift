import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Devices that tasks are given, in real containers. Ordinary character devices stand for GPUs: which driver is behind a number
/// makes no difference on the way there.
@Suite(
    .enabled(if: TestImage.isPossible, TestImage.reason),
    .enabled(if: geteuid() == 0, "only root makes device nodes"), .timeLimit(.minutes(1)))
struct InjectionTests {
    /// Files on the machine, below a folder that every runner can reach.
    private struct Machine {
        let path: String

        init(_ launcher: LauncherUnderTest) throws {
            path = launcher.folder.path + "/machine"
            try Files.makeDirectories(path)
        }

        /// mem(4): 3 is null, 5 zero, 7 full.
        func device(_ name: String, minor: UInt32, mode: UInt32 = 0o666) throws -> String {
            let file = path + "/" + name
            try check(cl_mknodat(AT_FDCWD, file, mode_t(S_IFCHR) | mode, 1, minor), "mknod", file)
            chmod(file, mode)
            return file
        }

        func write(_ name: String, _ text: String) throws -> String {
            let file = path + "/" + name
            try Files.writeAtomically(file, Array(text.utf8), mode: 0o755, durable: false)
            return file
        }
    }

    private func node(_ path: String, _ source: String, minor: Int64) -> DeviceInjection.Node {
        .init(path: path, source: source, major: 1, minor: minor)
    }

    private func failure(_ ended: Ended) -> (step: String, subject: String, errno: Int32)? {
        guard case .startFailure(let step, let subject, let errno) = ended.exit.status else {
            return nil
        }
        return (step, subject, errno)
    }

    @Test(arguments: Runner.everybody)
    func aTaskSeesTheDevicesThatItWasGivenAndNoOther(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let machine = try Machine(launcher)
        let zero = try machine.device("zero", minor: 5)
        _ = try machine.device("full", minor: 7)
        let ended = try launcher.shell(
            """
            cd /dev; ls; ls dri; stat -c '%F %t:%T' gpu0 dri/card1; head -c 3 gpu0 | wc -c; head -c 2 zero | wc -c
            echo x > /dev/shm/x && echo shm; mknod /dev/gpu1 c 1 7 2>&1; touch /dev/new 2>&1; rm gpu0 2>&1; chmod 600 gpu0 2>&1
            """
        ) {
            $0.devices.nodes = [
                node("/dev/gpu0", zero, minor: 5), node("/dev/dri/card1", zero, minor: 5),
            ]
        }
        let lines = ended.output.split(separator: "\n").map(String.init)
        let standard = [
            "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
            "stdout", "tty", "urandom", "zero",
        ]
        #expect(lines.prefix(16) == (["dri", "gpu0"] + standard).sorted().prefix(16), "\(ended)")
        #expect(
            lines.dropFirst(16).prefix(6) == [
                "card1", "character special file 1:5", "character special file 1:5", "3", "2",
                "shm",
            ], "\(ended)")
        // Not one of the four changes was possible.
        #expect(lines.count == 26, "\(ended)")
        let without = try launcher.shell("ls /dev/gpu0 /dev/dri")
        #expect(without.output.isEmpty)
    }

    @Test(arguments: Runner.everybody)
    func onTheMachinesOwnRootTheOthersAreHiddenToo(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let zero = try Machine(launcher).device("zero", minor: 5)
        var spec = ContainerSpec(
            root: .host, arguments: ["/bin/sh", "-c", "head -c 3 /dev/gpu0 | wc -c; ls /dev/kmsg"])
        spec.devices.nodes = [node("/dev/gpu0", zero, minor: 5)]
        let ended = try launcher.run(spec)
        #expect(ended.output == "3\n", "\(ended)")
        #expect(ended.errors.contains("No such file"))
    }

    @Test(arguments: Runner.ordinary)
    func aDeviceThatIsAnotherOneIsRefused(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let machine = try Machine(launcher)
        for source in [
            try machine.device("full", minor: 7), try machine.write("file", ""), machine.path,
        ] {
            let ended = try launcher.shell("true") {
                $0.devices.nodes = [node("/dev/gpu0", source, minor: 5)]
            }
            #expect(failure(ended)?.errno == ENODEV, "\(ended)")
        }
    }

    @Test(arguments: Runner.everybody)
    func aLinkInPlaceOfTheImagesDevLeadsNowhere(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let zero = try Machine(launcher).device("zero", minor: 5)
        try launcher.image.link("dev", to: "/tmp")
        let ended = try launcher.shell("true") {
            $0.devices.nodes = [node("/dev/gpu0", zero, minor: 5)]
        }
        #expect(failure(ended)?.errno == ELOOP, "\(ended)")
    }

    /// Links of the image's are followed as the container would, and never out of it.
    @Test(arguments: Runner.everybody)
    func filesOfTheMachineComeReadOnlyAndParentsFirst(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let machine = try Machine(launcher)
        let file = try machine.write("libx.so", "driver")
        try Files.makeDirectories(machine.path + "/directory/inner")
        _ = try machine.write("directory/inner/f", "")
        try launcher.image.link("climb", to: "../../../../../../tmp")
        let ended = try launcher.shell(
            "cat /usr/lib/libx.so /tmp/f /deep/inner/f; (echo > /usr/lib/libx.so) 2>&1; rm /usr/lib/libx.so 2>&1"
        ) {
            $0.devices.mounts = [
                .init(file, on: "/deep/inner/f", options: ["ro", "bind"]),
                .init(file, on: "/usr/lib/libx.so", options: ["ro", "rbind", "rprivate"]),
                .init(file, on: "/climb/f", options: ["ro"]),
                .init(machine.path + "/directory", on: "/deep", options: ["rbind"]),
            ]
            try? $0.devices.check()
        }
        #expect(ended.output.hasPrefix("driverdriverdriver"), "\(ended)")
        #expect(ended.output.split(separator: "\n").count == 2, "\(ended)")
        #expect(!Files.exists("/tmp/f"))
    }

    @Test(arguments: Runner.everybody)
    func linksAndTextsTakeThePlaceOfWhatIsThere(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        try launcher.image.write("etc/libcuda.so.1", "a stub of the image's")
        let ended = try launcher.shell(
            "readlink /etc/libcuda.so.1; readlink /lib/new; cat /proc/uptime; (echo > /proc/uptime) 2>&1; cat /etc/passwd | wc -l"
        ) {
            $0.devices.links = [
                .init("/etc/libcuda.so.1", to: "libcuda.so.550.1"), .init("/lib/new", to: "../x"),
            ]
            $0.devices.files = [.init("/proc/uptime", "ModifyDeviceFiles: 0\n")]
        }
        let lines = ended.output.split(separator: "\n")
        #expect(
            lines.prefix(3) == ["libcuda.so.550.1", "../x", "ModifyDeviceFiles: 0"], "\(ended)")
        #expect(lines.count == 5 && lines.last == "2")
    }

    /// What an image has in the way of the linker's files is replaced, and not written through.
    @Test(arguments: Runner.everybody)
    func linksInPlaceOfTheLinkersFilesAreNotFollowed(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        try launcher.image.link("etc/ld.so.cache", to: "/etc/passwd")
        try Files.makeDirectories(launcher.image.path + "/lib")
        try launcher.image.write(String(LinkerCache.muslLinker.dropFirst()), "")
        let ended = try launcher.shell(
            "cat /etc/passwd | wc -l; head -c 20 /etc/ld.so.cache; cat \(LinkerCache.muslPath)"
        ) { $0.devices.libraries = [.init("libx.so.1", at: "/drv/libx.so.1")] }
        #expect(
            ended.output == "2\nglibc-ld.so.cache1.1/lib\n/usr/local/lib\n/usr/lib\n/drv\n",
            "\(ended)")
    }

    @Test func groupsOfDevicesAreAddedToTheUsersOwn() throws {
        let launcher = try LauncherUnderTest(.root)
        let zero = try Machine(launcher).device("zero", minor: 5, mode: 0o660)
        chown(zero, 0, 4242)
        func ids(_ groups: [UInt32]) throws -> Ended {
            try launcher.shell("id -G; head -c 3 /dev/gpu0 | wc -c") {
                $0.user = "worker"
                var node = node("/dev/gpu0", zero, minor: 5)
                (node.mode, node.gid) = (0o660, 4242)
                $0.devices.nodes = [node]
                $0.devices.groups = groups
            }
        }
        #expect(try ids([4242]).output == "1001 2000 4242\n3\n")
        // Denied to others.
        #expect(try ids([]).output == "1001 2000\n0\n")
        let id = try launcher.startSleeping { $0.devices.groups = [4242] }
        var exec = ExecSpec(arguments: ["id", "-G"])
        exec.identity = .named("worker")
        #expect(try launcher.exec(exec, in: id).output == "1001 2000 4242\n")
    }

    /// In a user namespace none can be given; its user's own stay.
    @Test(arguments: Runner.ordinary)
    func anOrdinaryUserKeepsItsOwnGroups(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell("true") { $0.devices.groups = [4242] }
        #expect(ended.exit.status == .code(0), "\(ended)")
    }

    @Test(
        arguments: [
            "/dev/../etc/x", "/..", "dev/x", "", "/", "/a/./b", "/a\0b",
        ])
    func aPathThatClimbsIsRefused(path: String) throws {
        var injection = DeviceInjection()
        injection.links = [.init(path, to: "x")]
        #expect(throws: SystemError.self) { try injection.check() }
        injection.links = []
        injection.mounts = [.init("/x", on: path, options: [])]
        #expect(throws: SystemError.self) { try injection.check() }
        injection.mounts[0].destination = "/fine/..x"
        #expect(throws: Never.self) { try injection.check() }
    }

    /// Even one that nobody has checked.
    @Test(arguments: Runner.everybody)
    func aMountThatClimbsStaysInTheRoot(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let file = try Machine(launcher).write("f", "inside")
        let name = "/tmp/climbed-\(getpid())"
        let ended = try launcher.shell("cat \(name)") {
            $0.devices.mounts = [.init(file, on: "/../../../.." + name, options: ["ro"])]
            $0.devices.links = [.init("/../../.." + name + "-link", to: "x")]
        }
        #expect(ended.output == "inside", "\(ended)")
        #expect(!Files.exists(name))
    }
}
