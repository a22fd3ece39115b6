import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `linux.resources` and `linux.cgroupsPath` on cgroup v1; of v2, and of what limits do to programs, the emulated machine tells.
@Suite(
    .enabled(if: TestImage.isPossible && geteuid() == 0, "needs busybox-static and root"),
    .timeLimit(.minutes(1)))
struct ResourceFieldTests {
    static let v1 = CgroupHost.detect().v1

    /// A field, and the file in which the kernel then has it.
    struct Case: CustomTestStringConvertible {
        let field: String
        let controller: String
        let file: String
        let says: String
        let ask: @Sendable (inout ResourcesSpec) -> Void
        var testDescription: String { field }

        init(
            _ field: String, _ controller: String, _ file: String, _ says: String,
            _ ask: @escaping @Sendable (inout ResourcesSpec) -> Void
        ) {
            (self.field, self.controller, self.file, self.says) = (field, controller, file, says)
            self.ask = ask
        }
    }

    static let memory = [
        Case("limit", "memory", "memory.limit_in_bytes", "33554432") { $0.memory.limit = 32 << 20 },
        Case("reservation", "memory", "memory.soft_limit_in_bytes", "16777216") {
            $0.memory.reservation = 16 << 20
        },
        Case("swap", "memory", "memory.memsw.limit_in_bytes", "50331648") {
            $0.memory.limit = 32 << 20
            $0.memory.swap = 48 << 20
        },
        Case("swappiness", "memory", "memory.swappiness", "7") { $0.memory.swappiness = 7 },
        Case(
            "disableOOMKiller", "memory", "memory.oom_control",
            "oom_kill_disable 1; under_oom 0; oom_kill 0"
        ) {
            $0.memory.disableOOMKiller = true
        },
        Case("useHierarchy", "memory", "memory.use_hierarchy", "1") {
            $0.memory.useHierarchy = true
        },
    ]
    static let cpu = [
        Case("shares", "cpu", "cpu.shares", "512") { $0.cpu.shares = 512 },
        Case("quota", "cpu", "cpu.cfs_quota_us", "30000") { $0.cpu.quota = 30_000 },
        Case("period", "cpu", "cpu.cfs_period_us", "50000") { $0.cpu.period = 50_000 },
        Case("burst", "cpu", "cpu.cfs_burst_us", "10000") {
            $0.cpu.quota = 30_000
            $0.cpu.burst = 10_000
        },
        Case("realtimePeriod", "cpu", "cpu.rt_period_us", "500000") {
            $0.cpu.realtimePeriod = 500_000
        },
        Case("realtimeRuntime", "cpu", "cpu.rt_runtime_us", "5000") {
            $0.cpu.realtimeRuntime = 5000
        },
        Case("idle", "cpu", "cpu.idle", "1") { $0.cpu.idle = 1 },
        Case("cpus", "cpuset", "cpuset.cpus", "0") { $0.cpu.cpus = "0" },
        Case("mems", "cpuset", "cpuset.mems", "0") { $0.cpu.mems = "0" },
        Case("pids", "pids", "pids.max", "23") { $0.pidsLimit = 23 },
    ]

    @Test(arguments: (memory + cpu).filter { v1[$0.controller] != nil })
    func aLimitIsTheKernels(its: Case) throws {
        let bundle = try TestBundle()
        var resources = bundle.linux.resources ?? ResourcesSpec()
        its.ask(&resources)
        bundle.linux.resources = resources
        let id = try bundle.startSleeping()
        #expect(try bundle.cgroupFile(its.controller, its.file, of: id) == its.says)
    }

    /// Block devices that need not be there: the kernel takes numbers of those it knows.
    @Test(.enabled(if: v1["blkio"] != nil, "no blkio controller"))
    func diskAccessIsThrottled() throws {
        let bundle = try TestBundle()
        let (major, minor) = try #require(Self.blockDevice)
        var io = BlockIOSpec()
        io.readBps = [.init(major: major, minor: minor, value: 1001)]
        io.writeBps = [.init(major: major, minor: minor, value: 1002)]
        io.readIOPS = [.init(major: major, minor: minor, value: 1003)]
        io.writeIOPS = [.init(major: major, minor: minor, value: 1004)]
        bundle.linux.resources?.blockIO = io
        let id = try bundle.startSleeping()
        let files = ["read_bps", "write_bps", "read_iops", "write_iops"]
        for (place, file) in files.enumerated() {
            #expect(
                try bundle.cgroupFile("blkio", "blkio.throttle.\(file)_device", of: id)
                    == "\(major):\(minor) \(1001 + place)")
        }
    }

    /// Weights are the scheduler BFQ's, which a kernel or a device may lack.
    @Test(.enabled(if: v1["blkio"] != nil, "no blkio controller"), arguments: [false, true])
    func diskAccessIsWeighedOrTheFieldIsNamed(isDevice: Bool) throws {
        let bundle = try TestBundle()
        let (major, minor) = try #require(Self.blockDevice)
        var io = BlockIOSpec()
        if isDevice {
            io.weightDevices = [.init(major: major, minor: minor, value: 123)]
        } else {
            io.weight = 123
        }
        bundle.linux.resources?.blockIO = io
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        let ended = try bundle.runtime("run", "--detach", id)
        guard ended.status == 0 else {
            let field = "linux.resources.blockIO.weight" + (isDevice ? "Device[" : ":")
            #expect(ended.errors.contains(field), "\(ended.errors)")
            return
        }
        let file = "blkio.bfq.weight" + (isDevice ? "_device" : "")
        #expect(
            try bundle.cgroupFile("blkio", file, of: id).hasSuffix(
                isDevice ? "\(major):\(minor) 123" : "123"))
    }

    private static let blockDevice: (Int64, Int64)? = {
        let names = (try? Files.names(in: "/sys/block")) ?? []
        return names.lazy.compactMap { name -> (Int64, Int64)? in
            let numbers = ((try? Files.text("/sys/block/\(name)/dev")) ?? "")
                .split { $0 == ":" || $0 == "\n" }.compactMap { Int64($0) }
            return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
        }.first
    }()

    /// What has no controller here, or no file, is told by its field and not passed over.
    @Test(
        arguments: [
            ("blockIO.leafWeight", "blkio.leaf_weight"),
            ("blockIO.weightDevice[8:0].leafWeight", "blkio.leaf_weight_device"),
            ("network.classID", "net_cls.classid"),
            ("network.priorities", "net_prio.ifpriomap"), ("rdma", "rdma.max"),
        ].filter { !exists($0.1) })
    func whatThisMachineCannotLimitIsNamed(its: (field: String, file: String)) throws {
        let bundle = try TestBundle()
        var resources = ResourcesSpec()
        var io = BlockIOSpec()
        switch its.field {
        case "blockIO.leafWeight": io.leafWeight = 100
        case "blockIO.weightDevice[8:0].leafWeight":
            io.weightDevices = [.init(major: 8, minor: 0, value: 0)]
            io.weightDevices[0].leafWeight = 100
        case "network.classID":
            resources.network = NetworkSpec()
            resources.network?.classID = 7
        case "network.priorities":
            resources.network = NetworkSpec()
            resources.network?.priorities = ["lo": 7]
        default:
            var limit = RdmaLimit()
            limit.hcaHandles = 3
            resources.rdma = ["mlx5_0": limit]
        }
        if its.field.hasPrefix("blockIO") { resources.blockIO = io }
        bundle.linux.resources = resources
        #expect(try bundle.refusal().contains("linux.resources." + its.field))
    }

    private static func exists(_ file: String) -> Bool {
        let controller = String(file.prefix { $0 != "." })
        return v1[controller].map { Files.exists("\($0.mount)/\(file)") } ?? false
    }

    /// Deprecated, and nothing that today's kernels do: whoever reads the log learns of it.
    @Test(.enabled(if: LiveCgroups.has("memory"), "no memory controller"))
    func whatIsNoLongerLimitedIsLogged() throws {
        let bundle = try TestBundle()
        bundle.linux.resources?.memory.kernel = 32 << 20
        bundle.linux.resources?.memory.kernelTCP = 32 << 20
        bundle.process.args = ["true"]
        let log = bundle.folder.path + "/log"
        let words = ["--debug", "--log", log, "run", "-b", bundle.folder.path, try bundle.write()]
        #expect(try bundle.plain(words).status == 0)
        let told = try Files.text(log)
        for field in ["memory.kernel ", "memory.kernelTCP "] {
            #expect(told.contains("linux.resources." + field), "\(told)")
        }
    }

    /// The v2 tree, wherever it is mounted, may have controllers even where v1 has the others.
    @Test(.enabled(if: hasHugetlb, "no hugetlb controller on v2"))
    func hugePagesAreCounted() throws {
        let bundle = try TestBundle()
        bundle.linux.resources?.hugepageLimits = [HugepageLimit(pageSize: "2MB", limit: 4 << 20)]
        bundle.linux.resources?.unified = ["hugetlb.2MB.rsvd.max": "2097152"]
        let id = try bundle.startSleeping()
        #expect(try bundle.cgroupFile("unified", "hugetlb.2MB.max", of: id) == "4194304")
        #expect(try bundle.cgroupFile("unified", "hugetlb.2MB.rsvd.max", of: id) == "2097152")
        bundle.linux.resources?.unified = ["no.such.file": "1"]
        #expect(try bundle.refusal().contains("linux.resources.unified[no.such.file]"))
    }

    private static let hasHugetlb: Bool = {
        guard let top = CgroupHost.detect().unified?.mount else { return false }
        return ((try? Files.text(top + "/cgroup.controllers")) ?? "").contains("hugetlb")
    }()

    @Test(.enabled(if: LiveCgroups.has("devices"), "no devices controller"))
    func devicesAreAllowedByTheirNumbers() throws {
        let bundle = try TestBundle()
        let sets = CapabilitiesSpec.mask(["CAP_MKNOD"])
        bundle.process.capabilities?.bounding |= sets
        bundle.process.capabilities?.permitted |= sets
        bundle.process.capabilities?.effective |= sets
        // mem(4): kmsg is 1:11, which no runtime permits by itself.
        let line = "mknod /tmp/kmsg c 1 11; (exec 3> /tmp/kmsg) && echo opened"
        for (access, output) in [("m", ""), ("rm", ""), ("wm", "opened\n")] {
            var rule = DeviceRule(allow: true)
            (rule.kind, rule.major, rule.minor, rule.access) = ("c", 1, 11, access)
            bundle.linux.resources?.devices = [DeviceRule(allow: false), rule]
            #expect(try bundle.run(line).output == output, "\(access)")
            #expect(unlink(bundle.image.path + "/tmp/kmsg") == 0)
        }
    }

    @Test func itsCgroupIsWhereThePathSays() throws {
        let bundle = try TestBundle()
        let name = TestBundle.idPrefix + "place"
        bundle.linux.cgroupsPath = "/\(name)/deep"
        let id = try bundle.startSleeping()
        let pid = try bundle.record(id).pid
        let groups = try Files.text("/proc/\(pid)/cgroup").split(separator: "\n")
        #expect(groups.contains { $0.hasSuffix(":/\(name)/deep") })
        #expect(try bundle.runtime("delete", "--force", id).status == 0)
        // What it was put into stays for others (here: goes with the test).
        for directory in Set(
            Self.v1.values.map(\.mount) + [CgroupHost.detect().unified?.mount].compactMap { $0 })
        {
            #expect(!Files.exists("\(directory)/\(name)/deep"))
            rmdir("\(directory)/\(name)")
        }
    }
}
