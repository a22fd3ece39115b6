import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What an image of a bundle, or a neighbour who can write to it, tries against the machine.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct HostileImageTests {
    /// CVE-2019-16884, CVE-2019-19921, CVE-2023-27561: the kernel's file systems over the machine's own directories.
    @Test(arguments: Runner.possible, ["dev", "proc", "sys"])
    func kernelDirectoriesThatAreLinksLeadNowhere(runner: Runner, name: String) throws {
        let bundle = try HostileBundle(runner)
        try bundle.image.link(name, to: bundle.climb)
        // Where a container's `/` is the top, the climbing link leads here.
        let inner = bundle.image.path + bundle.victim
        try Files.makeDirectories(inner)
        // It would lie behind the same link.
        bundle.spec.mounts.removeAll { $0.type == "cgroup" }
        bundle.interfere("cat /proc/self/mountinfo > $ROOT/tmp/mounts")
        let ended = try bundle.run("true")
        if runner == .root || name != "sys" {
            #expect(ended.status == 1)
            #expect(ended.errors.contains("symbolic link"), "\(ended.errors)")
        } else {
            // An ordinary user's is a bind mount as any other, whose place may be behind a link that stays in the root.
            let mounts = try Files.text(bundle.image.path + "/tmp/mounts").split(separator: "\n")
            let places = mounts.map { $0.split(separator: " ")[4] }
            #expect(places.contains(inner[...]))
            #expect(!places.contains { $0.hasPrefix(bundle.victim) })
        }
        #expect(try bundle.isVictimUntouched)
    }

    /// CVE-2026-41579, CVE-2026-47766: devices and links are made in /dev, and what is there is removed first.
    @Test(arguments: Runner.rootOnly)
    func devicesAreNotMadeThroughALink(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.mounts.removeAll { $0.destination.hasPrefix("/dev") }
        for name in ["null", "ptmx", "fd"] { try bundle.folder.write("victim/" + name, "mine") }
        try bundle.image.link("dev", to: bundle.climb)
        _ = try bundle.run("true")
        #expect(try Files.names(in: bundle.victim).sorted() == ["fd", "file", "null", "ptmx"])
        #expect(try Files.text(bundle.victim + "/null") == "mine")
    }

    /// A neighbour swaps a node for a link between its making and what gives it its owner, which is made to take long.
    @Test(.enabled(if: Fault.isPossible, Fault.reason), arguments: Runner.rootOnly)
    func aDevicesModeIsNobodyElses(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.mounts.removeAll { $0.destination.hasPrefix("/dev") }
        try Files.makeDirectories(bundle.image.path + "/dev")
        chmod(bundle.victim + "/file", 0o600)
        var device = DeviceSpec(kind: .character, path: "/dev/own", major: 1, minor: 3)
        device.fileMode = 0o646
        device.uid = 7
        bundle.spec.linux.devices = [device]
        let neighbour = try Neighbour(
            replacing: bundle.image.path + "/dev/own", with: bundle.victim + "/file")
        bundle.prefix = Fault.delaying("mknodat", by: 50)
        var replaced = 0
        for _ in 0..<(LongTests.areRun ? 50 : 4)
        where try bundle.run("true").errors.contains("somebody has replaced it") { replaced += 1 }
        neighbour.stop()
        #expect(replaced > 0)
        bundle.prefix = []
        var status = stat()
        #expect(stat(bundle.victim + "/file", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(status.st_uid == 0)
        #expect(
            try bundle.run("stat -c '%a %u %t:%T' /dev/own").output == "646 7 1:3\n")
    }

    /// CVE-2025-31133: the file that masks others is the image's choice.
    @Test(arguments: Runner.rootOnly)
    func aForgedNullMasksNothing(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.mounts.removeAll { $0.destination.hasPrefix("/dev") }
        bundle.interfere("rm $ROOT/dev/null; ln -s $VICTIM/file $ROOT/dev/null")
        bundle.spec.linux.maskedPaths = ["/proc/uptime"]
        let ended = try bundle.run(
            "cat /proc/uptime; echo x > /proc/uptime; stat -c %t:%T /proc/uptime")
        #expect(ended.output == "1:3\n", "\(ended.errors)")
        #expect(try bundle.isVictimUntouched)
    }

    /// CVE-2023-27561, CVE-2023-28642: masks that miss, since /proc is not what it seems.
    @Test(arguments: Runner.rootOnly)
    func aVolumeBehindALinkCannotUncoverProc(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        try bundle.image.link("volume", to: "proc")
        var volume = MountSpec(destination: "/volume")
        volume.type = "bind"
        volume.source = bundle.victim
        volume.options = ["rbind"]
        bundle.spec.mounts.append(volume)
        try Files.makeDirectories(bundle.victim + "/sys")
        let ended = try bundle.run("true")
        #expect(ended.status == 1)
        #expect(ended.errors.contains("the kernel's /proc"), "\(ended.errors)")
    }

    /// CVE-2025-52881: a kernel parameter is written to what somebody has mounted over it.
    @Test(arguments: Runner.rootOnly)
    func kernelParametersAreNotWrittenElsewhere(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.interfere("mount --bind $VICTIM/file /proc/sys/net/ipv4/ip_forward")
        bundle.spec.linux.sysctl = ["net.ipv4.ip_forward": "1"]
        let ended = try bundle.run("true")
        #expect(ended.status == 1)
        #expect(ended.errors.contains("linux.sysctl"), "\(ended.errors)")
        #expect(try bundle.isVictimUntouched)
    }

    /// What belongs to no namespace is the whole machine's. Each would be set to what it is.
    @Test(
        arguments: Runner.rootOnly,
        [
            "kernel.core_pattern", "kernel/core_pattern", "vm.overcommit_memory",
            "fs.protected_symlinks", "net/../kernel/core_pattern", "net/./../kernel/core_pattern",
        ])
    func aKernelParameterOfTheMachineIsRefused(runner: Runner, name: String) throws {
        let bundle = try HostileBundle(runner)
        let path = "/proc/sys/" + (name.contains("/") ? name : name.replacing(".", with: "/"))
        bundle.spec.linux.sysctl = [name: String(try Files.text(path).dropLast())]
        let ended = try bundle.run("echo ran")
        #expect(ended.status == 1)
        #expect(ended.output == "")
        #expect(ended.errors.contains("linux.sysctl.\(name)"), "\(ended.errors)")
    }

    /// CVE-2023-25809: without a cgroup namespace the machine's cgroups stay out of reach.
    @Test(arguments: Runner.possible)
    func theCgroupsOfOthersAreNotShown(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.linux.namespaces.removeAll { $0.kind == .cgroup }
        for place in bundle.spec.mounts.indices
        where bundle.spec.mounts[place].type == "cgroup" {
            bundle.spec.mounts[place].options.removeAll { $0 == "ro" }
        }
        let ended = try bundle.run(
            "cat /sys/fs/cgroup/*/cgroup.procs | sort -u; find /sys/fs/cgroup -mindepth 2 -type d")
        #expect(ended.output.split(separator: "\n").allSatisfy { Int($0) != nil && $0 != "0" })
        #expect(ended.output.split(separator: "\n").count <= 4, "\(ended.output)")
    }
}

/// Somebody who puts a link in the place of each device that appears there, until it is told to stop.
struct Neighbour {
    private let pid: pid_t

    /// Between clone and exit in a copy of this process, which has threads: calls alone.
    init(replacing path: String, with target: String) throws {
        let spare = path + ".new"
        let child = path.withCString { path in
            spare.withCString { spare in
                target.withCString { target -> Int64 in
                    let child = cl_clone3(0, nil, -1)
                    guard child == 0 else { return child }
                    cl_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL), 0, 0, 0)
                    var status = stat()
                    while true {
                        symlink(target, spare)
                        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else {
                            continue
                        }
                        rename(spare, path)
                    }
                }
            }
        }
        pid = pid_t(try check(child, "clone3"))
    }

    func stop() {
        kill(pid, SIGKILL)
        var ended = cl_exit()
        cl_wait(pid, true, &ended)
    }
}
