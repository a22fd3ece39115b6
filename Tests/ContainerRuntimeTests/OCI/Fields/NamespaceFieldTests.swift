import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `linux.namespaces` and what is set in them.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct NamespaceFieldTests {
    /// nsfs's names, by the document's.
    private static let files: [NamespaceSpec.Kind: String] = [
        .pid: "pid", .network: "net", .mount: "mnt", .ipc: "ipc", .uts: "uts", .user: "user",
        .cgroup: "cgroup", .time: "time",
    ]

    /// Which namespace of a kind a process is in.
    private static func identity(_ kind: NamespaceSpec.Kind, of pid: pid_t) throws -> UInt64 {
        var status = stat()
        try checkErrno(stat("/proc/\(pid)/ns/\(files[kind] ?? "")", &status), "stat", "\(pid)")
        return UInt64(status.st_ino)
    }

    /// A bundle with these namespaces, and the mount namespace that each needs.
    private func bundle(_ runner: Runner, _ kinds: [NamespaceSpec.Kind]) throws -> TestBundle {
        let bundle = try TestBundle(runner)
        var all = Set(kinds).union([.mount])
        if runner != .root { all.insert(.user) }
        bundle.linux.namespaces = NamespaceSpec.Kind.allCases.filter(all.contains).map {
            NamespaceSpec(kind: $0)
        }
        if runner == .root, all.contains(.user) {
            bundle.linux.uidMappings = [IDMapping(containerID: 0, hostID: 0, size: 1000)]
            bundle.linux.gidMappings = bundle.linux.uidMappings
        }
        // What only the owner of a namespace may mount.
        bundle.spec.mounts.removeAll {
            ["/sys", "/sys/fs/cgroup", "/dev/mqueue"].contains($0.destination)
        }
        if !all.contains(.pid) {
            bundle.spec.mounts.removeAll { $0.destination == "/proc" }
            bundle.mount("/proc", "bind", "/proc", ["rbind"])
            (bundle.linux.maskedPaths, bundle.linux.readonlyPaths) = ([], [])
        }
        if !all.contains(.uts) { bundle.spec.hostname = nil }
        return bundle
    }

    @Test(arguments: Runner.possible, NamespaceSpec.Kind.allCases)
    func aNamespaceIsNewWhereItIsListedAndTheMachinesElsewhere(
        runner: Runner, kind: NamespaceSpec.Kind
    ) throws {
        let bundle = try bundle(runner, [kind])
        let pid = try bundle.record(try bundle.startSleeping()).pid
        let isNeeded: Set<NamespaceSpec.Kind> = runner == .root ? [.mount] : [.mount, .user]
        for other in NamespaceSpec.Kind.allCases {
            let isOwn = try Self.identity(other, of: pid) != Self.identity(other, of: getpid())
            #expect(isOwn == (other == kind || isNeeded.contains(other)), "\(other)")
        }
    }

    @Test(arguments: Runner.possible)
    func namespacesOfAPathAreJoined(runner: Runner) throws {
        let kinds = NamespaceSpec.Kind.allCases.filter { $0 != .mount }
        let first = try bundle(runner, kinds)
        let pid = try first.record(try first.startSleeping()).pid
        let second = try bundle(runner, kinds)
        for place in second.linux.namespaces.indices {
            let kind = second.linux.namespaces[place].kind
            guard kind != .mount, kind != .cgroup else { continue }
            second.linux.namespaces[place].path = "/proc/\(pid)/ns/\(Self.files[kind] ?? "")"
        }
        (second.linux.uidMappings, second.linux.gidMappings) = ([], [])
        let other = try second.record(try second.startSleeping()).pid
        for kind in NamespaceSpec.Kind.allCases {
            let isJoined = try Self.identity(kind, of: other) == Self.identity(kind, of: pid)
            #expect(isJoined == (kind != .mount && kind != .cgroup), "\(kind)")
        }
    }

    @Test(arguments: Runner.possible)
    func aPathThatIsNoSuchNamespaceIsRefused(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        for path in ["/etc/passwd", "/proc/self/ns/none"] {
            bundle.linux.namespaces.removeAll { $0.kind == .ipc }
            bundle.linux.namespaces.append(NamespaceSpec(kind: .ipc, path: path))
            #expect(try bundle.refusal().contains("linux.namespaces: ipc"))
        }
    }

    @Test(arguments: Runner.possible)
    func itsNamesAreItsOwn(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        (bundle.spec.hostname, bundle.spec.domainname) = ("its-host", "its.domain")
        #expect(
            try bundle.said("hostname; cat /proc/sys/kernel/domainname") == "its-host\nits.domain\n"
        )
        bundle.linux.namespaces.removeAll { $0.kind == .uts }
        #expect(try bundle.refusal().contains("config.json: hostname"))
        bundle.spec.hostname = nil
        #expect(try bundle.refusal().contains("config.json: domainname"))
    }

    @Test(arguments: Runner.rootOnly)
    func idsAreMapped(runner: Runner) throws {
        let bundle = try TestBundle(runner, owner: 70_000)
        bundle.linux.namespaces.append(NamespaceSpec(kind: .user))
        bundle.linux.uidMappings = [
            IDMapping(containerID: 0, hostID: 70_000, size: 5),
            IDMapping(containerID: 100, hostID: 80_000, size: 1),
        ]
        bundle.linux.gidMappings = [IDMapping(containerID: 0, hostID: 70_000, size: 9)]
        bundle.spec.mounts.removeAll { $0.type == "cgroup" }
        bundle.process.user.uid = 100
        bundle.process.user.gid = 8
        let id = try bundle.startSleeping("touch /tmp/made; exec sleep 100")
        let maps = try ["uid_map", "gid_map"].map {
            try Files.text("/proc/\(bundle.record(id).pid)/\($0)").split(
                whereSeparator: \.isWhitespace)
        }
        #expect(maps == [["0", "70000", "5", "100", "80000", "1"], ["0", "70000", "9"]])
        var status = stat()
        #expect(eventually { stat(bundle.image.path + "/tmp/made", &status) == 0 })
        #expect(status.st_uid == 80_000 && status.st_gid == 70_008)
    }

    @Test(arguments: Runner.ordinary.filter { $0 != .ordinaryUser })
    func subordinateIDsAreMapped(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let uids = bundle.linux.uidMappings[1]
        let line = "tr -s ' ' < /proc/self/uid_map"
        #expect(
            try bundle.said(line) == " 0 \(runner.uid) 1\n 1 \(uids.hostID) \(uids.size)\n")
        // Somebody else's.
        bundle.linux.uidMappings[1] = IDMapping(containerID: 1, hostID: 5, size: 1)
        #expect(
            try bundle.refusal().contains(
                "linux.uidMappings 0 \(runner.uid) 1, 1 5 1: operation not permitted"))
    }

    @Test(arguments: Runner.possible)
    func itsClocksAreOff(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.namespaces.append(NamespaceSpec(kind: .time))
        bundle.linux.timeOffsets = [
            "monotonic": TimeOffset(seconds: 5, nanoseconds: 7),
            "boottime": TimeOffset(seconds: 8_640_000, nanoseconds: 0),
        ]
        let line =
            "tr -s ' ' < /proc/self/timens_offsets; awk '{ print int($1 / 8640000) }' /proc/uptime"
        #expect(try bundle.said(line) == "monotonic 5 7\nboottime 8640000 0\n1\n")
    }

    @Test(arguments: Runner.possible)
    func itsKernelParametersAreSet(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.namespaces.removeAll { $0.kind == .network }
        bundle.linux.namespaces.append(NamespaceSpec(kind: .network))
        bundle.linux.sysctl = ["net.ipv4.ip_forward": "1", "kernel.msgmax": "4321"]
        #expect(
            try bundle.said("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax") == "1\n4321\n")
        for name in ["vm.swappiness", "kernel.pid_max", "net/../vm/swappiness"] {
            bundle.linux.sysctl = [name: "1"]
            #expect(try bundle.refusal().contains("linux.sysctl"), "\(name)")
        }
    }

    @Test(arguments: Runner.possible)
    func itsExecutionDomainIsThatOf32Bits(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let wide = try bundle.said("busybox uname -m")
        bundle.linux.personality = PersonalitySpec(domain: "LINUX32")
        let narrow = try bundle.said("busybox uname -m")
        #expect(["x86_64\n": "i686\n", "aarch64\n": "armv8l\n"][wide] == narrow)
        bundle.linux.personality = PersonalitySpec(domain: "LINUX")
        #expect(try bundle.said("busybox uname -m") == wide)
    }

    @Test(arguments: Runner.possible)
    func itsMemoryComesFromWhereItsPolicySays(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.memoryPolicy = MemoryPolicySpec(mode: "MPOL_INTERLEAVE", nodes: "0")
        bundle.linux.memoryPolicy?.flags = ["MPOL_F_STATIC_NODES"]
        // numa_maps, proc(5).
        #expect(
            try bundle.said("grep -m 1 heap /proc/self/numa_maps").contains(" interleave=static:0 ")
        )
        bundle.linux.memoryPolicy?.nodes = "1000"
        #expect(try bundle.refusal().contains("linux.memoryPolicy"))
    }
}
