/// config.json of a bundle, for Linux (config.md, config-linux.md). Fields are the document's own; what it leaves out is nil
/// or empty, and no default is filled in here.
public struct RuntimeSpec: Sendable, Hashable {
    public var ociVersion = ""
    public var process: ProcessSpec?
    public var root: RootSpec?
    public var hostname: String?
    public var domainname: String?
    public var mounts: [MountSpec] = []
    public var hooks = HooksSpec()
    public var annotations: [String: String] = [:]
    public var linux = LinuxSpec()
    public init() {}
}

public struct RootSpec: Sendable, Hashable {
    /// Absolute, or relative to the bundle.
    public var path: String
    public var readonly = false
    public init(path: String) { self.path = path }
}

/// `process`, which `exec --process` reads from a document of its own, too.
public struct ProcessSpec: Sendable, Hashable {
    public var terminal = false
    /// Rows and columns of the terminal.
    public var consoleSize: (height: UInt16, width: UInt16)? {
        get { size.map { ($0.height, $0.width) } }
        set { size = newValue.map { Size(height: $0.height, width: $0.width) } }
    }
    private var size: Size?
    public var cwd = "/"
    /// `NAME=value`.
    public var env: [String] = []
    public var args: [String] = []
    public var user = UserSpec()
    public var capabilities: CapabilitiesSpec?
    public var rlimits: [RlimitSpec] = []
    public var noNewPrivileges = false
    public var apparmorProfile: String?
    public var selinuxLabel: String?
    /// -1000 to 1000, proc(5).
    public var oomScoreAdj: Int?
    public var scheduler: SchedulerSpec?
    public var ioPriority: IOPrioritySpec?
    /// CPU lists: before and after the process has moved into the container's cgroup (1.3, exec alone).
    public var execCPUAffinity: (initial: String?, final: String?) {
        get { (affinityInitial, affinityFinal) }
        set { (affinityInitial, affinityFinal) = newValue }
    }
    private var affinityInitial: String?
    private var affinityFinal: String?
    public init() {}

    private struct Size: Sendable, Hashable {
        let height: UInt16
        let width: UInt16
    }
}

public struct UserSpec: Sendable, Hashable {
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    public var umask: UInt32?
    public var additionalGids: [UInt32] = []
    public init() {}
}

/// Masks with bit n for capability n, capability(7).
public struct CapabilitiesSpec: Sendable, Hashable {
    public var bounding: UInt64 = 0
    public var effective: UInt64 = 0
    public var inheritable: UInt64 = 0
    public var permitted: UInt64 = 0
    public var ambient: UInt64 = 0
    public init() {}
}

/// setrlimit(2).
public struct RlimitSpec: Sendable, Hashable {
    /// RLIMIT_ number.
    public var resource: Int32
    public var soft: UInt64
    public var hard: UInt64
    public init(resource: Int32, soft: UInt64, hard: UInt64) {
        self.resource = resource
        self.soft = soft
        self.hard = hard
    }
}

/// sched_setattr(2); numbers are the kernel's.
public struct SchedulerSpec: Sendable, Hashable {
    public var policy: UInt32 = 0
    public var nice: Int32 = 0
    public var priority: UInt32 = 0
    public var flags: UInt64 = 0
    /// Nanoseconds, for SCHED_DEADLINE.
    public var runtime: UInt64 = 0
    public var deadline: UInt64 = 0
    public var period: UInt64 = 0
    public init() {}
}

/// ioprio_set(2).
public struct IOPrioritySpec: Sendable, Hashable {
    /// 1 real time, 2 best effort, 3 idle.
    public var schedulingClass: Int32
    public var priority: Int32
    public init(schedulingClass: Int32, priority: Int32) {
        self.schedulingClass = schedulingClass
        self.priority = priority
    }
}

public struct MountSpec: Sendable, Hashable {
    public var destination: String
    /// Empty where the document gives none.
    public var type = ""
    public var source = ""
    public var options: [String] = []
    public var uidMappings: [IDMapping] = []
    public var gidMappings: [IDMapping] = []
    public init(destination: String) { self.destination = destination }
}

public struct IDMapping: Sendable, Hashable {
    public var containerID: UInt32
    public var hostID: UInt32
    public var size: UInt32
    public init(containerID: UInt32, hostID: UInt32, size: UInt32) {
        self.containerID = containerID
        self.hostID = hostID
        self.size = size
    }
}

public struct HooksSpec: Sendable, Hashable {
    public var prestart: [HookSpec] = []
    public var createRuntime: [HookSpec] = []
    public var createContainer: [HookSpec] = []
    public var startContainer: [HookSpec] = []
    public var poststart: [HookSpec] = []
    public var poststop: [HookSpec] = []
    public init() {}
}

public struct HookSpec: Sendable, Hashable {
    /// Absolute.
    public var path: String
    /// argv, its first word included; empty means the path alone.
    public var args: [String] = []
    public var env: [String] = []
    /// Seconds, above 0.
    public var timeout: Int?
    public init(path: String) { self.path = path }
}
