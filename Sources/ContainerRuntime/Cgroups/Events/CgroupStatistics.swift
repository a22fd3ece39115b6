/// What a container's cgroup has counted, as `events --stats` tells it. What the machine does not count is zero or empty.
public struct CgroupStatistics: Sendable, Equatable {
    /// Bytes, or pages' bytes.
    public struct Counter: Sendable, Equatable {
        public var usage: UInt64 = 0
        /// The most there has been.
        public var max: UInt64 = 0
        /// UInt64.max where there is none.
        public var limit: UInt64 = 0
        /// How often the limit was met.
        public var failures: UInt64 = 0
    }

    /// Times in nanoseconds.
    public struct CPU: Sendable, Equatable {
        public var total: UInt64 = 0
        public var user: UInt64 = 0
        public var kernel: UInt64 = 0
        /// By CPU; v1 alone tells.
        public var perCPU: [UInt64] = []
        public var periods: UInt64 = 0
        public var throttledPeriods: UInt64 = 0
        public var throttledTime: UInt64 = 0
    }

    public struct Memory: Sendable, Equatable {
        public var cache: UInt64 = 0
        public var usage = Counter()
        /// Memory and swap together, as v1 counts.
        public var swap = Counter()
        public var kernel = Counter()
        public var kernelTCP = Counter()
        /// memory.stat.
        public var raw: [String: UInt64] = [:]
    }

    /// One line of a block device.
    public struct BlockIO: Sendable, Equatable {
        public var major: UInt64
        public var minor: UInt64
        /// `Read`, `Write` …
        public var operation: String
        public var value: UInt64
    }

    public var cpu = CPU()
    public var memory = Memory()
    /// Processes, and how many there may be; 0 is no limit.
    public var pids: (current: UInt64, limit: UInt64) {
        get { (pidsCurrent, pidsLimit) }
        set { (pidsCurrent, pidsLimit) = newValue }
    }
    private var pidsCurrent: UInt64 = 0
    private var pidsLimit: UInt64 = 0
    /// Bytes and operations.
    public var serviceBytes: [BlockIO] = []
    public var serviced: [BlockIO] = []
    /// By page size, `2MB`.
    public var hugepages: [String: Counter] = [:]
    public var cpus: [UInt64] = []
    public var mems: [UInt64] = []
}
