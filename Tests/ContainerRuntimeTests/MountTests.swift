import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Layers, writable layers, bind mounts and tmpfs.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct MountTests {
    private func data(_ launcher: LauncherUnderTest) throws -> String {
        let path = launcher.folder.path + "/data"
        try Files.makeDirectories(path)
        try launcher.folder.write("data/file", "from the machine\n")
        if launcher.runner.uid != geteuid() {
            chown(path, launcher.runner.uid, launcher.runner.uid)
        }
        return path
    }

    @Test(arguments: Runner.possible)
    func writesGoToTheContainerAndNotToTheImage(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(
            "echo new > /etc/passwd; rm /etc/group; touch /made; cat /etc/passwd; ls /etc")
        #expect(ended.output == "new\npasswd\n")
        #expect(try Files.names(in: launcher.image.path).sorted() == ["bin", "etc", "tmp"])
        #expect(Files.exists(launcher.image.path + "/etc/group"))
        #expect(try launcher.shell("ls /etc").output == "group\npasswd\n")
    }

    @Test(arguments: Runner.possible)
    func upperLayersReplaceHideAndRemove(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let upper = launcher.folder.path + "/upper"
        for name in ["etc", "hidden"] { try Files.makeDirectories(upper + "/" + name) }
        try Files.makeDirectories(launcher.image.path + "/hidden/below")
        try launcher.folder.write("upper/etc/group", "replaced\n")
        // overlayfs.rst: a whiteout is a character device 0:0, an opaque directory says "y".
        try #require(
            cl_mknodat(AT_FDCWD, upper + "/etc/passwd", mode_t(S_IFCHR) | 0o644, 0, 0) == 0
                || geteuid() != 0)
        let attribute = runner == .root ? "trusted.overlay.opaque" : "user.overlay.opaque"
        try checkErrno(setxattr(upper + "/hidden", attribute, "y", 1, 0), "setxattr", upper)
        let ended = try launcher.shell("cat /etc/group; ls /etc /hidden") {
            $0.root = .layers([launcher.image.path, upper])
        }
        #expect(ended.output == "replaced\n/etc:\ngroup\n\n/hidden:\n")
    }

    @Test(arguments: Runner.possible)
    func manyLayersAreStacked(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        var layers = [launcher.image.path]
        for number in 0..<100 {
            try Files.makeDirectories(launcher.folder.path + "/layer-\(number)")
            try launcher.folder.write("layer-\(number)/top", "\(number)\n")
            layers.append(launcher.folder.path + "/layer-\(number)")
        }
        let ended = try launcher.shell("cat /top") { $0.root = .layers(layers) }
        #expect(ended.output == "99\n")
    }

    private func manyLayers(_ launcher: LauncherUnderTest, _ text: String) throws -> [String] {
        var layers = [launcher.image.path]
        for number in 1..<FlattenedLayers.fewest {
            try Files.makeDirectories(launcher.folder.path + "/l\(number)")
            try launcher.folder.write("l\(number)/top", "\(number) \(text)\n")
            layers.append(launcher.folder.path + "/l\(number)")
        }
        return layers
    }

    /// Lower directories of the container's root, as it sees them, and what it finds and leaves there.
    private static let lowers = """
        grep ' / / .* overlay ' /proc/self/mountinfo | grep -o 'lowerdir[+=][^,]*' | tr ':' '\\n' | wc -l
        """

    @Test(arguments: Runner.possible)
    func manyLayersAreOneToTheContainersOfAnImage(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let layers = try manyLayers(launcher, "a")
        let line = "cat /top; ls /made 2>&1; echo new > /top; touch /made; rm /etc/group; "
        for _ in 0..<2 {
            let ended = try launcher.shell(line + Self.lowers) { $0.root = .layers(layers) }
            #expect(
                ended.output
                    == "\(FlattenedLayers.fewest - 1) a\nls: /made: No such file or directory\n1\n")
        }
        let few = try launcher.shell(Self.lowers) { $0.root = .layers(layers.dropLast()) }
        #expect(few.output == "\(FlattenedLayers.fewest - 1)\n")
        // Nothing else is mounted for it when no container needs it any more.
        let path = "/proc/\(launcher.pid)/mounts"
        let mounts = try OwnedFD.open(path, O_RDONLY)
        while try Files.text(path).contains("/flat") {
            // proc(5): such a file becomes ready when something is mounted or unmounted.
            var change = pollfd(fd: mounts.raw, events: Int16(POLLPRI), revents: 0)
            try #require(poll(&change, 1, 30_000) > 0)
        }
    }

    @Test(arguments: Runner.possible)
    func aLayerThatWasReplacedIsSeen(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let layers = try manyLayers(launcher, "damaged")
        _ = try launcher.shell("cat /top") { $0.root = .layers(layers) }
        let last = try #require(layers.last)
        try checkErrno(rename(last, launcher.folder.path + "/old"), "rename", last)
        _ = try manyLayers(launcher, "healed")
        let ended = try launcher.shell("cat /top") { $0.root = .layers(layers) }
        #expect(ended.output == "\(FlattenedLayers.fewest - 1) healed\n")
    }

    @Test(arguments: Runner.possible)
    func theWritableLayerIsKeptUntilAcknowledged(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(
            launcher.spec("mkdir -p /work/deep; echo result > /work/deep/file") {
                $0.keepUpper = true
            })
        let ended = try launcher.finish(id, acknowledge: false)
        let upper = try #require(ended.upper)
        let file = try RootedPath.open(root: upper, "/work/deep/file", O_RDONLY)
        #expect(try Files.read(file.raw, "file") == Array("result\n".utf8))
        // A new agent gets it too.
        _ = try launcher.reconnect()
        let again = try launcher.receive()
        guard case .exited(let exit) = again.event else {
            Issue.record("\(again.event)")
            return
        }
        #expect(exit.id == id)
        _ = try RootedPath.open(
            root: try #require(again.descriptor), "/work/deep/file", O_RDONLY)
    }

    /// As before Linux 6.6 for everybody but root: the layer goes where the marks of overlayfs can be kept.
    @Test(arguments: Runner.possible)
    func aWritableLayerOnDiskIsCompleteAndGoesWithItsContainer(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner, ["--upper-on-disk"])
        try Files.makeDirectories(launcher.image.path + "/full/deep")
        for name in ["/full", "/full/deep"] {
            chown(launcher.image.path + name, runner.uid, runner.uid)
        }
        var status = stat()
        #expect(stat(launcher.directory, &status) == 0)
        let place = "/var/tmp/martlet-layers-\(status.st_dev)-\(status.st_ino)"
        defer { Folder.remove(place) }
        let id = try launcher.start(
            launcher.spec("rm -r /full && mkdir /full && touch /full/new && ls -A /full") {
                $0.keepUpper = true
            })
        let ended = try launcher.finish(id, acknowledge: false)
        #expect(ended.output == "new\n", "\(ended.errors)")
        _ = try RootedPath.open(root: try #require(ended.upper), "/full/new", O_RDONLY)
        #expect(try Files.names(in: place).count == 1)
        try launcher.send(.acknowledge([id]))
        #expect(try launcher.shell("mkdir -p /a/b; echo x > /a/b/c").exit.status == .code(0))
        #expect(try eventually { try Files.names(in: place).isEmpty })
    }

    /// The network is the machine's own, and so is what finds names in it.
    @Test(arguments: Runner.possible)
    func aFileOfTheMachineTakesThePlaceOfTheImages(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let data = try data(launcher)
        try launcher.image.link("etc/resolv.conf", to: "../run/nowhere/resolv.conf")
        let ended = try launcher.shell(
            "cat /etc/resolv.conf /etc/hosts /etc/group; echo x >> /etc/hosts; ls /etc"
        ) {
            $0.readOnlyRoot = true
            $0.mounts = ["/etc/resolv.conf", "/etc/hosts", "/etc/group"].map {
                .init(.hostFile, source: data + "/file", destination: $0)
            }
            $0.mounts.append(.init(.hostFile, source: "/does/not/exist", destination: "/etc/none"))
        }
        #expect(
            ended.output == String(repeating: "from the machine\n", count: 3)
                + "group\nhosts\npasswd\nresolv.conf\n")
        #expect(try Files.text(data + "/file") == "from the machine\n")
    }

    @Test(arguments: Runner.possible)
    func aReadOnlyRootTakesNoWritesButMountsDo(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell("touch /x /etc/x; touch /dev/shm/a /scratch/b && echo ok") {
            $0.readOnlyRoot = true
            $0.mounts = [.init(.tmpfs, destination: "/scratch")]
        }
        #expect(ended.output == "ok\n")
        #expect(ended.errors.split(separator: "\n").filter { $0.contains("Read-only") }.count == 2)
    }

    @Test(arguments: Runner.possible)
    func bindMountsAreWritableOrNotAsAsked(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let data = try data(launcher)
        let ended = try launcher.shell(
            "cat /ro/file; echo new > /rw/made; echo bad > /ro/made; ls -ln /rw/made | tr -s ' '"
        ) {
            $0.mounts = [
                .init(source: data, destination: "/rw"),
                .init(source: data, destination: "/ro", readOnly: true),
            ]
        }
        #expect(ended.output.hasPrefix("from the machine\n-rw-r--r-- 1 0 0 "))
        #expect(ended.errors.contains("Read-only file system"))
        #expect(try Files.text(data + "/made") == "new\n")
        var status = stat()
        #expect(stat(data + "/made", &status) == 0)
        #expect(status.st_uid == runner.uid)
    }

    @Test(arguments: Runner.possible)
    func filesCanBeBoundAndMountsNested(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let data = try data(launcher)
        let ended = try launcher.shell("cat /a/b/file /single /etc/passwd; ls /a") {
            // The inner one first: the order of the spec must not matter.
            $0.mounts = [
                .init(source: data, destination: "/a/b"),
                .init(.tmpfs, destination: "/a"),
                .init(source: data + "/file", destination: "/single"),
                .init(source: data + "/file", destination: "/etc/passwd"),
            ]
        }
        #expect(ended.output == "from the machine\nfrom the machine\nfrom the machine\nb\n")
    }

    @Test(arguments: Runner.possible)
    func tmpfsAndSharedMemoryHaveTheirSizes(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let line = "for d in /scratch /dev/shm; do dd if=/dev/zero of=$d/f bs=4k count=512; done"
        let ended = try launcher.shell(line + "; wc -c < /scratch/f; wc -c < /dev/shm/f") {
            $0.mounts = [.init(.tmpfs, destination: "/scratch", size: 1 << 20)]
            $0.shmSize = 1 << 19
        }
        #expect(ended.output == "1048576\n524288\n")
    }

    @Test(arguments: Runner.possible)
    func filesOfAnotherContainerAreNotSeen(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let first = try launcher.start(
            launcher.spec("touch /mine /dev/shm/mine /tmp/mine; sleep 5"))
        try launcher.awaitStart(first)
        let ended = try launcher.shell(
            "ls /mine /dev/shm/mine /tmp/mine; ls /proc | grep -c '^[0-9]'")
        #expect(
            ended.output.split(separator: "\n").first.flatMap { Int($0) }.map { $0 <= 4 } == true)
        try launcher.send(.stop(id: first))
        _ = try launcher.finish(first)
    }
}
