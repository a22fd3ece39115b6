import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `linux.resources` as writes into files, on v1 and v2.
struct ResourceWritesTests {
    private static let v2 = ResourceWrites.Facts(
        unified: ["cpu", "cpuset", "memory", "io", "hugetlb", "rdma", "pids"])

    /// `file value` of each write, in order.
    private func writes(
        _ facts: ResourceWrites.Facts = v2, _ ask: (inout ResourcesSpec) -> Void
    ) throws -> [String] {
        var resources = ResourcesSpec()
        ask(&resources)
        return try ResourceWrites(resources, facts).writes.map { "\($0.file) \($0.value)" }
    }

    @Test(arguments: [
        (2, 1), (3, 2), (512, 59), (1024, 100), (2048, 174), (10_000, 627), (262_144, 10_000),
        (1_000_000, 10_000), (1, 1),
    ])
    func sharesBecomeWeights(shares: UInt64, weight: UInt64) {
        #expect(ResourceWrites.weight(shares: shares) == weight)
    }

    @Test(
        arguments: [
            (nil, nil, []), (0, 0, []), (50_000, nil, ["cpu.max 50000"]),
            (50_000, 100_000, ["cpu.max 50000 100000"]), (-1, nil, ["cpu.max max"]),
            (-1, 200_000, ["cpu.max max 200000"]), (nil, 200_000, ["cpu.max 30000 200000"]),
        ] as [(Int64?, UInt64?, [String])])
    func quotaAndPeriodShareAFileOnV2(quota: Int64?, period: UInt64?, expected: [String]) throws {
        var facts = Self.v2
        facts.quota = "30000"
        #expect(
            try writes(facts) {
                $0.cpu.quota = quota
                $0.cpu.period = period
            } == expected)
    }

    @Test(
        arguments: [
            (nil, nil, nil, []), (1000, nil, nil, ["memory.max 1000"]),
            (1000, 1500, 800, ["memory.max 1000", "memory.swap.max 500", "memory.low 800"]),
            (1000, 1000, nil, ["memory.max 1000", "memory.swap.max 0"]),
            (1000, -1, nil, ["memory.max 1000", "memory.swap.max max"]),
            (-1, nil, nil, ["memory.max max", "memory.swap.max max"]),
            (nil, -1, -1, ["memory.swap.max max", "memory.low max"]), (0, 0, 0, []),
        ] as [(Int64?, Int64?, Int64?, [String])])
    func swapIsCountedApartOnV2(
        limit: Int64?, swap: Int64?, reservation: Int64?, expected: [String]
    ) throws {
        #expect(
            try writes {
                $0.memory.limit = limit
                $0.memory.swap = swap
                $0.memory.reservation = reservation
            } == expected)
    }

    @Test(arguments: [(1000, 999), (nil, 1000), (-1, 1000)] as [(Int64?, Int64)])
    func swapThatContradictsMemoryIsRefused(limit: Int64?, swap: Int64) {
        let error = #expect(throws: SystemError.self) {
            try writes {
                $0.memory.limit = limit
                $0.memory.swap = swap
            }
        }
        #expect(error?.subject == "linux.resources.memory.swap")
        #expect(error?.errno == EINVAL)
    }

    @Test func theRestOfV2() throws {
        let all = try writes {
            $0.cpu.cpus = "0-1"
            $0.cpu.mems = "0"
            $0.cpu.burst = 0
            $0.cpu.idle = 1
            $0.pidsLimit = 5
            $0.hugepageLimits = [.init(pageSize: "2MB", limit: 4096)]
            var rdma = RdmaLimit()
            rdma.hcaHandles = 2
            rdma.hcaObjects = 3
            $0.rdma = ["mlx4_0": rdma]
            $0.unified = ["memory.high": "5"]
        }
        #expect(
            all == [
                "cpuset.mems 0", "cpuset.cpus 0-1", "cpu.max.burst 0", "cpu.idle 1", "pids.max 5",
                "hugetlb.2MB.max 4096", "hugetlb.2MB.rsvd.max 4096",
                "rdma.max mlx4_0 hca_handle=2 hca_object=3", "memory.high 5",
            ])
    }

    private func throttled(_ resources: inout ResourcesSpec) {
        var io = BlockIOSpec()
        io.weight = 1000
        io.weightDevices = [.init(major: 8, minor: 0, value: 10)]
        io.readBps = [.init(major: 8, minor: 0, value: 100)]
        io.writeIOPS = [.init(major: 8, minor: 16, value: 0)]
        resources.blockIO = io
    }

    @Test func weightsAndThrottlesOfBlockDevices() throws {
        let throttles = ["io.max 8:0 rbps=100", "io.max 8:16 wiops=max"]
        #expect(
            try writes(Self.v2, throttled) == ["io.weight 10000", "io.weight 8:0 1"] + throttles)
        var facts = Self.v2
        facts.hasBFQ = true
        #expect(
            try writes(facts, throttled) == ["io.bfq.weight 1000", "io.bfq.weight 8:0 10"]
                + throttles)
        #expect(
            try writes(.init(), throttled) == [
                "blkio.weight 1000", "blkio.weight_device 8:0 10",
                "blkio.throttle.read_bps_device 8:0 100",
                "blkio.throttle.write_iops_device 8:16 0",
            ])
    }

    @Test func v1FilesAreWrittenDirectly() throws {
        let all = try writes(.init()) {
            $0.cpu.shares = 512
            $0.cpu.realtimePeriod = 7
            $0.cpu.realtimeRuntime = 6
            $0.cpu.period = 5
            $0.cpu.quota = 4
            $0.memory.limit = 3
            $0.memory.swap = 4
            $0.memory.reservation = 2
            $0.memory.swappiness = 0
            $0.memory.disableOOMKiller = true
            $0.memory.useHierarchy = true
            $0.pidsLimit = -1
            var network = NetworkSpec()
            network.classID = 9
            network.priorities = ["lo": 1]
            $0.network = network
            $0.hugepageLimits = [.init(pageSize: "1GB", limit: 0)]
        }
        #expect(
            all == [
                "cpu.shares 512", "cpu.rt_period_us 7", "cpu.rt_runtime_us 6",
                "cpu.cfs_period_us 5", "cpu.cfs_quota_us 4", "memory.use_hierarchy 1",
                "memory.limit_in_bytes 3", "memory.memsw.limit_in_bytes 4",
                "memory.soft_limit_in_bytes 2", "memory.swappiness 0", "memory.oom_control 1",
                "pids.max max", "hugetlb.1GB.limit_in_bytes 0",
                "hugetlb.1GB.rsvd.limit_in_bytes 0", "net_cls.classid 9",
                "net_prio.ifpriomap lo 1",
            ])
    }

    struct Unsupported: CustomTestStringConvertible {
        let field: String
        let ask: @Sendable (inout ResourcesSpec) -> Void
        var testDescription: String { field }
    }

    @Test(arguments: [
        Unsupported(field: "memory.swappiness") { $0.memory.swappiness = 10 },
        Unsupported(field: "memory.disableOOMKiller") { $0.memory.disableOOMKiller = true },
        Unsupported(field: "memory.useHierarchy") { $0.memory.useHierarchy = false },
        Unsupported(field: "cpu.realtimeRuntime") { $0.cpu.realtimeRuntime = 1 },
        Unsupported(field: "cpu.realtimePeriod") { $0.cpu.realtimePeriod = 1 },
        Unsupported(field: "blockIO.leafWeight") {
            $0.blockIO = BlockIOSpec()
            $0.blockIO?.leafWeight = 10
        },
    ])
    func whatV2CannotDoIsAnErrorThatNamesTheField(_ row: Unsupported) {
        let error = #expect(throws: SystemError.self) { try writes(Self.v2, row.ask) }
        #expect(error?.subject == "linux.resources." + row.field)
        #expect(error?.errno == EOPNOTSUPP)
    }

    @Test(arguments: ["../x", "a/b", "", ".", "..", "/etc/passwd", "noDot", "a.b\0c"])
    func namesOfFilesMustStayInTheCgroup(name: String) {
        let error = #expect(throws: SystemError.self) { try writes { $0.unified = [name: "1"] } }
        #expect(error?.subject == "linux.resources.unified[\(name)]")
    }

    @Test(arguments: ["2MB/../x", "MB", "2M", "-2MB", "2TB"])
    func aPageSizeIsNoPath(size: String) {
        #expect(throws: SystemError.self) {
            try writes { $0.hugepageLimits = [.init(pageSize: size, limit: 1)] }
        }
    }

    @Test func kernelMemoryIsNotedAndNotLimited() throws {
        var resources = ResourcesSpec()
        resources.memory.kernel = 5
        resources.memory.kernelTCP = 6
        let plan = try ResourceWrites(resources, .init())
        #expect(plan.writes.isEmpty)
        #expect(plan.notes.map { $0.prefix(30) }.count == 2)
        #expect(plan.notes[1].hasPrefix("linux.resources.memory.kernelTCP "))
    }
}
