import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// What an image or a task tries against the machine, and does not get.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct SafetyTests {
    /// CVE-2019-16884 and its kin: the kernel's file systems would be mounted over the machine's own directories.
    @Test(arguments: Runner.possible, ["/dev", "/proc", "/sys"])
    func anImageWhoseKernelDirectoriesAreLinksIsRefused(runner: Runner, name: String) throws {
        let launcher = try LauncherUnderTest(runner)
        let victim = launcher.folder.path + "/victim"
        try Files.makeDirectories(victim)
        try launcher.image.link(String(name.dropFirst()), to: "../../../../../.." + victim)
        let ended = try launcher.shell("true")
        guard case .startFailure(let step, let subject, let errno) = ended.exit.status else {
            Issue.record("it ended with \(ended.exit.status)")
            return
        }
        #expect(step == "mount")
        #expect(subject.hasPrefix(name))
        #expect(errno == ELOOP)
        #expect(try Files.names(in: victim).isEmpty)
    }

    /// CVE-2021-30465: a target that leads out of the root.
    @Test(arguments: Runner.possible)
    func mountTargetsBehindLinksStayInTheRoot(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let victim = launcher.folder.path + "/victim"
        try Files.makeDirectories(victim)
        try Files.makeDirectories(launcher.folder.path + "/source")
        chmod(victim, 0o777)
        // Where a container's `/` is the top, the climbing link leads here.
        for inner in [launcher.folder.path, victim, "/inner"] {
            try Files.makeDirectories(launcher.image.path + inner)
            chown(launcher.image.path + inner, runner.uid, runner.uid)
        }
        try launcher.image.link("climb", to: "../../../../../../.." + victim)
        try launcher.image.link("absolute", to: "/inner")
        let source = launcher.folder.path + "/source"
        let ended = try launcher.shell("ls -d /inner/deep; ls \(victim)") {
            $0.mounts = [
                .init(source: source, destination: "/absolute/deep"),
                .init(source: source, destination: "/climb/deep"),
            ]
        }
        // Both were made, below the container's own `/`.
        #expect(ended.output == "/inner/deep\ndeep\n")
        #expect(try Files.names(in: victim).isEmpty)
    }

    /// CVE-2024-45310: a file made through a dangling link.
    @Test(arguments: Runner.possible)
    func fileTargetsAreNotMadeThroughDanglingLinks(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let victim = launcher.folder.path + "/victim"
        try Files.makeDirectories(victim)
        chmod(victim, 0o777)
        try launcher.image.link("etc/planted", to: "../../../../../../.." + victim + "/made")
        let ended = try launcher.shell("true") {
            $0.mounts = [.init(source: "/etc/hostname", destination: "/etc/planted")]
        }
        guard case .startFailure = ended.exit.status else {
            Issue.record("it ended with \(ended.exit.status)")
            return
        }
        #expect(try Files.names(in: victim).isEmpty)
    }

    /// CVE-2024-21626: a working directory that is a leaked descriptor of the machine.
    @Test(arguments: Runner.possible)
    func theWorkingDirectoryCannotBeADescriptorOfTheMachine(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        // A layer of a long path is named to the kernel by a descriptor.
        let long = "/" + String(repeating: "long", count: 50)
        let deep = launcher.folder.path + long + long
        try Files.makeDirectories(deep)
        var refused = 0
        for fd in 3...40 {
            let ended = try launcher.shell("pwd; ls ../../../../..") {
                $0.root = .layers([launcher.image.path, deep])
                $0.workingDirectory = "/proc/self/fd/\(fd)"
            }
            if case .startFailure("chdir", _, let errno) = ended.exit.status {
                // Magic links are not followed, and the place where one then stands is looked at.
                if [ELOOP, EPERM].contains(errno) { refused += 1 }
            } else if case .code = ended.exit.status {
                // Then it was a directory of the container, and nothing above it is the machine's.
                #expect(!ended.output.contains("unreachable") && ended.output.contains("bin\n"))
            }
        }
        // Else there was none to begin with.
        #expect(refused > 0)
    }

    @Test(arguments: Runner.possible)
    func theMachinesTreeIsGone(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let mounts = try launcher.shell("cat /proc/self/mountinfo").output
        let points = mounts.split(separator: "\n").map { $0.split(separator: " ")[4] }
        #expect(points.first == "/")
        for point in points.dropFirst() {
            #expect(["/proc", "/dev", "/sys"].contains { point.hasPrefix($0) }, "\(point)")
        }
        // The classic way out of a chroot, with the capability for it.
        let escape = try launcher.shell(
            "mkdir /x; chroot /x /bin/sh; cd /; ls ../../../..; cd ..; pwd")
        #expect(!escape.output.contains("martlet-test"))
        #expect(escape.output.hasSuffix("/\n"))
    }

    @Test(arguments: Runner.possible)
    func devicesAreTheHarmlessOnes(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let listing = try launcher.shell(
            "ls /dev; echo x > /dev/null && head -c 3 /dev/zero | wc -c")
        #expect(
            listing.output.split(separator: "\n").map(String.init) == [
                "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
                "stdout", "tty", "urandom", "zero", "3",
            ])
        let changes = try launcher.shell(
            "touch /dev/new; rm /dev/null; ln -s /x /dev/y; chmod 0 /dev")
        #expect(changes.exit.status != .code(0))
        #expect(changes.errors.split(separator: "\n").count == 4)
        // The nodes are the machine's; all have that mode already.
        let modes = try launcher.shell(
            "for name in null zero full random urandom tty stdin; do chmod 666 /dev/$name; done")
        #expect(modes.errors.split(separator: "\n").count == 7, "\(modes.errors)")
    }

    /// Without a devices cgroup, a node that root may make must be of no use.
    @Test(arguments: Runner.possible)
    func aDeviceNodeMadeInsideOpensNothing(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let shared = launcher.folder.path + "/shared"
        try Files.makeDirectories(shared)
        chmod(shared, 0o777)
        let line = """
            for place in / /tmp /shared /dev/shm /scratch; do
                mknod $place/disk c 1 5 2>/dev/null && head -c 1 $place/disk | wc -c
            done; echo done
            """
        let ended = try launcher.shell(line) {
            $0.mounts = [
                .init(source: shared, destination: "/shared"),
                .init(.tmpfs, destination: "/scratch"),
            ]
        }
        #expect(ended.output.split(separator: "\n").allSatisfy { $0 == "0" || $0 == "done" })
        #expect(ended.output.hasSuffix("done\n"))
    }

    @Test(arguments: Runner.possible)
    func kernelSettingsCannotBeWritten(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for path in [
            "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
            "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state",
        ] where Files.exists(path) {
            let ended = try launcher.shell("printf '' > \(path)")
            #expect(ended.exit.status != .code(0), "\(path)")
        }
        let secrets = try launcher.shell(
            "cat /proc/kcore /proc/keys /proc/timer_list | wc -c")
        if runner == .root { #expect(secrets.output == "0\n") }
    }

    @Test(arguments: Runner.possible)
    func mountingAndUnmountingAreRefused(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for line in [
            "mount -t tmpfs none /tmp", "umount /proc", "mount -o remount,rw /sys",
            "mount -o remount,rw,bind /dev",
        ] {
            #expect(try launcher.shell(line).exit.status != .code(0), "\(line)")
        }
    }

    /// The init of a container shares its program and its memory with the launcher.
    @Test(arguments: Runner.possible)
    func theInitShowsNothingOfTheLauncher(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(
            "cat /proc/1/environ; readlink /proc/1/exe; ls /proc/1/fd; head -c 4 /proc/1/exe"
        ) { $0.withInit = true }
        #expect(ended.output == "")
        let named = try launcher.shell("tr -d '\\0' < /proc/1/cmdline; cat /proc/1/comm") {
            $0.withInit = true
        }
        #expect(named.output == "martlet-initmartlet-init\n")
    }

    /// CVE-2019-5736: an image may name `/proc/self/exe` as its command, and root in a container may write to what it finds there.
    @Test(arguments: Runner.possible)
    func theLaunchersProgramIsNothingThatAnybodyCanWrite(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let program = try OwnedFD.open("/proc/\(launcher.pid)/exe", O_RDONLY)
        if runner == .root {
            // An overlay without an upper layer: linux/magic.h, OVERLAYFS_SUPER_MAGIC.
            #expect(cl_filesystem_type_of(program.raw) == 0x794c_7630)
            #expect(Glibc.open("/proc/\(launcher.pid)/exe", O_WRONLY) == -1 && errno == EROFS)
        } else {
            // linux/fcntl.h: F_GET_SEALS; F_SEAL_SEAL and F_SEAL_WRITE.
            let seals = try check(cl_fcntl(program.raw, 1034, 0), "fcntl(F_GET_SEALS)")
            #expect(seals & 0x9 == 0x9)
        }
        #expect(try Files.text("/proc/\(launcher.pid)/comm") == "martlet-runtime\n")
        // Whom it starts finds no way to the file either.
        let ended = try launcher.run(
            ContainerSpec(root: .layers([launcher.image.path]), arguments: ["/proc/self/exe"]))
        #expect(ended.errors.contains("usage: martlet-runtime"))
    }

    /// Its directory is its user's alone; were it not, somebody else would be let go unheard all the same.
    @Test(arguments: Runner.rootOnly)
    func whoeverIsAnotherUserIsNotHeard(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let socket = launcher.directory + "/launcher.sock"
        chmod(launcher.directory, 0o755)
        chmod(socket, 0o777)
        // Says how much it is told: a greeting, or nothing.
        let line =
            "socket S, AF_UNIX, SOCK_SEQPACKET, 0; connect S, sockaddr_un shift or die; exit !sysread S, $_, 999"
        for (id, status) in [("54321", Int32(1)), ("0", 0)] {
            let pid = try HostileBundle.spawn([
                "/usr/bin/setpriv", "--reuid", id, "--clear-groups", "/usr/bin/perl", "-MSocket",
                "-e", line, socket,
            ])
            var ended = cl_exit()
            try check(cl_wait(pid, true, &ended), "wait")
            #expect(ended.code == status, "\(id)")
        }
    }

    /// Whoever reaches a socket there commands the launcher, and with it every mount of the machine.
    @Test(arguments: Runner.possible)
    func theMachinesOwnRootShowsNeitherOurSocketsNorItsFirmware(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner, in: "/var/tmp")
        let line = """
            ls \(launcher.directory); touch \(launcher.directory)/x 2>/dev/null
            grep ' / / ' /proc/self/mountinfo; ls /sys/kernel/debug 2>/dev/null
            \(runner == .root ? "ls /sys/firmware" : "")
            """
        let ended = try launcher.run(
            ContainerSpec(root: .host, arguments: ["/bin/sh", "-c", line]))
        let lines = ended.output.split(separator: "\n")
        #expect(lines.allSatisfy { $0.contains("nodev") }, "\(ended.output)")
        #expect(lines.count == 1)
        #expect(!Files.exists(launcher.directory + "/x"))
    }

    @Test(arguments: Runner.possible)
    func theMachinesOwnRootIsReadOnly(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let victim = launcher.folder.path + "/victim"
        try Files.makeDirectories("/var/tmp")
        var spec = ContainerSpec(
            root: .host,
            arguments: [
                "/bin/sh", "-c",
                "touch /var/tmp/martlet-test-x /etc/martlet-x; ls /tmp; touch /tmp/y && echo $(ls /tmp) $$",
            ])
        let ended = try launcher.run(spec)
        #expect(ended.output == "y 1\n")
        #expect(!Files.exists("/var/tmp/martlet-test-x"))
        #expect(!Files.exists("/etc/martlet-x"))
        #expect(!Files.exists(victim))
        // Writable where a mount says so.
        spec.mounts = [.init(source: launcher.directory, destination: launcher.directory)]
        spec.arguments = ["/bin/sh", "-c", "echo in > \(launcher.directory)/file"]
        #expect(try launcher.run(spec).exit.status == .code(0))
        #expect(try Files.text(launcher.directory + "/file") == "in\n")
    }
}
