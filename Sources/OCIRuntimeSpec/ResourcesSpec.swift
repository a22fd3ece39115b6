/// `linux.resources` (config-linux.md, "Control groups"), as v1 names them; also what `update --resources` reads.
/// Bytes, microseconds and counts as the document has them; -1 means unlimited where it does there.
public struct ResourcesSpec: Sendable, Hashable {
    public var devices: [DeviceRule] = []
    public var memory = MemorySpec()
    public var cpu = CPUSpec()
    /// `pids.limit`; 0 and -1 mean no limit.
    public var pidsLimit: Int64?
    public var blockIO: BlockIOSpec?
    public var hugepageLimits: [HugepageLimit] = []
    public var network: NetworkSpec?
    /// Handles and objects by device.
    public var rdma: [String: RdmaLimit] = [:]
    /// File name in the v2 cgroup → content.
    public var unified: [String: String] = [:]
    public init() {}
}

public struct DeviceRule: Sendable, Hashable {
    public var allow: Bool
    /// `a`, `c` or `b`.
    public var kind = "a"
    /// Nil means any.
    public var major: Int64?
    public var minor: Int64?
    /// Some of `r`, `w`, `m`.
    public var access = "rwm"
    public init(allow: Bool) { self.allow = allow }
}

public struct MemorySpec: Sendable, Hashable {
    public var limit: Int64?
    public var reservation: Int64?
    /// Memory and swap together.
    public var swap: Int64?
    public var kernel: Int64?
    public var kernelTCP: Int64?
    public var swappiness: UInt64?
    public var disableOOMKiller: Bool?
    public var useHierarchy: Bool?
    public var checkBeforeUpdate: Bool?
    public init() {}
}

public struct CPUSpec: Sendable, Hashable {
    public var shares: UInt64?
    public var quota: Int64?
    public var burst: UInt64?
    public var period: UInt64?
    public var realtimeRuntime: Int64?
    public var realtimePeriod: UInt64?
    public var cpus: String?
    public var mems: String?
    public var idle: Int64?
    public init() {}
}

public struct BlockIOSpec: Sendable, Hashable {
    public struct Device: Sendable, Hashable {
        public var major: Int64
        public var minor: Int64
        /// Weight, or bytes or operations a second.
        public var value: UInt64
        public var leafWeight: UInt16?
        public init(major: Int64, minor: Int64, value: UInt64) {
            self.major = major
            self.minor = minor
            self.value = value
        }
    }
    public var weight: UInt16?
    public var leafWeight: UInt16?
    public var weightDevices: [Device] = []
    public var readBps: [Device] = []
    public var writeBps: [Device] = []
    public var readIOPS: [Device] = []
    public var writeIOPS: [Device] = []
    public init() {}
}

public struct HugepageLimit: Sendable, Hashable {
    /// `2MB`, `1GB`.
    public var pageSize: String
    /// Bytes.
    public var limit: UInt64
    public init(pageSize: String, limit: UInt64) {
        self.pageSize = pageSize
        self.limit = limit
    }
}

public struct NetworkSpec: Sendable, Hashable {
    public var classID: UInt32?
    /// Interface → priority.
    public var priorities: [String: UInt32] = [:]
    public init() {}
}

public struct RdmaLimit: Sendable, Hashable {
    public var hcaHandles: UInt32?
    public var hcaObjects: UInt32?
    public init() {}
}
