/// `linux` of config.json (config-linux.md).
public struct LinuxSpec: Sendable, Hashable {
    public var namespaces: [NamespaceSpec] = []
    public var uidMappings: [IDMapping] = []
    public var gidMappings: [IDMapping] = []
    /// Seconds and nanoseconds by clock: `monotonic`, `boottime`.
    public var timeOffsets: [String: TimeOffset] = [:]
    public var devices: [DeviceSpec] = []
    /// Network interface of the host → its name in the container, 1.3.
    public var netDevices: [String: String] = [:]
    /// Nil where the document gives none; an empty path counts as none.
    public var cgroupsPath: String?
    public var resources: ResourcesSpec?
    public var sysctl: [String: String] = [:]
    public var seccomp: SeccompSpec?
    public var rootfsPropagation: String?
    public var maskedPaths: [String] = []
    public var readonlyPaths: [String] = []
    public var mountLabel: String?
    public var personality: PersonalitySpec?
    public var intelRdt: IntelRdtSpec?
    public var memoryPolicy: MemoryPolicySpec?
    public init() {}
}

public struct NamespaceSpec: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case pid, network, mount, ipc, uts, user, cgroup, time
    }
    public var kind: Kind
    /// Of a namespace to join; nil makes a new one.
    public var path: String?
    public init(kind: Kind, path: String? = nil) {
        self.kind = kind
        self.path = path
    }
}

public struct TimeOffset: Sendable, Hashable {
    public var seconds: Int64
    public var nanoseconds: UInt32
    public init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

public struct DeviceSpec: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case character = "c"
        case block = "b"
        case fifo = "p"
    }
    public var kind: Kind
    public var path: String
    public var major: Int64
    public var minor: Int64
    /// Permission bits; nil where the document gives none.
    public var fileMode: UInt32?
    public var uid: UInt32?
    public var gid: UInt32?
    public init(kind: Kind, path: String, major: Int64, minor: Int64) {
        self.kind = kind
        self.path = path
        self.major = major
        self.minor = minor
    }
}

/// personality(2).
public struct PersonalitySpec: Sendable, Hashable {
    /// `LINUX` or `LINUX32`.
    public var domain: String
    public init(domain: String) { self.domain = domain }
}

/// set_mempolicy(2), 1.3.
public struct MemoryPolicySpec: Sendable, Hashable {
    /// `MPOL_DEFAULT` and the like.
    public var mode: String
    /// NUMA nodes, a list as cpuset(7) has it.
    public var nodes: String
    /// `MPOL_F_STATIC_NODES` and the like.
    public var flags: [String] = []
    public init(mode: String, nodes: String) {
        self.mode = mode
        self.nodes = nodes
    }
}

/// resctrl (Documentation/filesystems/resctrl.rst).
public struct IntelRdtSpec: Sendable, Hashable {
    public var closID: String?
    /// Lines of `schemata`, 1.3.
    public var schemata: [String] = []
    public var l3CacheSchema: String?
    public var memBwSchema: String?
    public var enableMonitoring = false
    public init() {}
}
