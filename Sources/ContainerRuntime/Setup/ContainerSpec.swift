public import OCIRuntimeSpec

/// What is to run, and in what surroundings. A pure value that travels from the agent to the launcher.
public struct ContainerSpec: Sendable, Hashable {
    public enum Root: Sendable, Hashable {
        /// The machine's own root, read-only, with fresh /proc, /dev and /tmp.
        case host
        /// Directories in overlay form, lowest first, beneath a writable layer on tmpfs.
        case layers([String])
    }

    public struct Mount: Sendable, Hashable {
        public enum Kind: UInt8, Sendable {
            case bind, tmpfs
            /// A file of the machine in place of the image's, a link that leads nowhere included; left out where the machine
            /// has none. Always read-only.
            case hostFile
            /// What the source holds, to be written to by this container alone: what it writes lies in its writable layer.
            case privateCopy
            /// The same, and what is written there is kept for collecting until the exit is acknowledged.
            case keptCopy
        }
        public var kind: Kind
        public var source: String
        public var destination: String
        public var readOnly: Bool
        /// Bytes, tmpfs only.
        public var size: Int64?
        public init(
            _ kind: Kind = .bind, source: String = "", destination: String, readOnly: Bool = false,
            size: Int64? = nil
        ) {
            self.kind = kind
            self.source = source
            self.destination = destination
            self.readOnly = readOnly
            self.size = size
        }
    }

    public enum Network: Sendable, Hashable {
        /// The machine's own.
        case host
        /// One of its own, with a way out, and with ways in at these ports.
        case `private`([Port])
    }

    /// A port of the machine that leads to one of the container's.
    public struct Port: Sendable, Hashable, CustomStringConvertible {
        /// Where the machine listens.
        public var address: String
        /// 0 means any that is free.
        public var hostPort: UInt16
        public var containerPort: UInt16
        public var isUDP: Bool
        /// Of the environment, to hold the host port; empty means none.
        public var variable: String
        public init(
            address: String, hostPort: UInt16, containerPort: UInt16, isUDP: Bool = false,
            variable: String = ""
        ) {
            self.address = address
            self.hostPort = hostPort
            self.containerPort = containerPort
            self.isUDP = isUDP
            self.variable = variable
        }

        public var description: String {
            "\(address):\(hostPort == 0 ? "any" : "\(hostPort)") -> \(containerPort)\(isUDP ? "/udp" : "")"
        }
    }

    /// setrlimit(2) by number.
    public struct ResourceLimit: Sendable, Hashable {
        public var resource: Int32
        public var soft: UInt64
        public var hard: UInt64
        public init(resource: Int32, soft: UInt64, hard: UInt64) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }
    }

    /// Which system calls the container may make.
    public enum Seccomp: Sendable, Hashable {
        /// `SeccompSpec.docker` for the capabilities that a container has.
        case standard
        case unconfined
        case profile(SeccompSpec)
    }

    /// Whether anything that it writes, its own memory file systems aside, stays with the container.
    var hasWritableLayer: Bool {
        root != .host || mounts.contains { [.privateCopy, .keptCopy].contains($0.kind) }
    }

    public var root: Root
    public var readOnlyRoot = false
    /// Keeps the writable layer until the exit is acknowledged, so that files can be collected from it.
    public var keepUpper = false
    /// argv; the first is looked up in the container's PATH where it has no slash.
    public var arguments: [String]
    /// `NAME=value`.
    public var environment: [String] = []
    public var workingDirectory = "/"
    /// `user`, `uid`, `user:group`, `uid:gid`; empty means root. Names are looked up in the container's own files.
    public var user = ""
    public var hostname = "martlet"
    public var network = Network.host
    public var mounts: [Mount] = []
    /// Bytes of /dev/shm; nil means tmpfs's own default, half of the machine's memory.
    public var shmSize: Int64?
    /// CPUs to run on; empty means all.
    public var cpus: [Int] = []
    public var memoryPolicy: MemoryPolicy?
    /// NUMA nodes from which alone memory may come, whatever policy the task gives itself, where a cgroup can see to it; empty
    /// means all.
    public var memoryNodes: [Int] = []
    public var devices = DeviceInjection()
    /// Bytes.
    public var memoryLimit: Int64?
    public var pidsLimit: Int64?
    public var resourceLimits: [ResourceLimit] = []
    /// Runs an init as PID 1 that reaps and forwards signals.
    public var withInit = false
    public var seccomp = Seccomp.standard
    /// All that the launcher may do itself, new privileges, the machine's devices and its whole /proc and /sys. For a launcher of
    /// root alone.
    public var isPrivileged = false
    /// A terminal of this size is its stdin, stdout and stderr.
    public var terminal: TerminalSize?

    public init(root: Root, arguments: [String]) {
        self.root = root
        self.arguments = arguments
    }
}

/// How and when a container is ended from outside.
public struct StopRule: Sendable, Hashable {
    /// Milliseconds from the start; nil means no limit.
    public var timeLimit: Int64?
    /// Sent to the whole tree first.
    public var signal: Int32
    /// Milliseconds from that signal to SIGKILL.
    public var grace: Int64
    /// Milliseconds before the time limit at which the signal is sent once, without anything following; nil means never. What
    /// ends afterwards otherwise than with code 0 has timed out.
    public var before: Int64?
    public init(
        timeLimit: Int64? = nil, signal: Int32 = 15, grace: Int64 = 10_000, before: Int64? = nil
    ) {
        self.timeLimit = timeLimit
        self.signal = signal
        self.grace = grace
        self.before = before
    }
}

/// A container that runs.
public struct ContainerStart: Sendable, Hashable {
    public var id: String
    /// Milliseconds since 1970.
    public var at: Int64
    public var enforcement: EnforcementReached
    /// With the host ports that were chosen.
    public var ports: [ContainerSpec.Port]
    public init(
        id: String, at: Int64, enforcement: EnforcementReached, ports: [ContainerSpec.Port] = []
    ) {
        self.id = id
        self.at = at
        self.enforcement = enforcement
        self.ports = ports
    }
}

/// The strongest means that hold: `cgroup-v2`, `cgroup-v1`, `rlimit`, `affinity`, `none`.
public struct EnforcementReached: Sendable, Hashable {
    /// Of its share of time: a cpuset, a quota, or affinity alone.
    public var cpu = "none"
    public var memory = "none"
    public var pids = "none"
    /// What keeps it on its very CPUs.
    public var cpuBinding = "none"
    /// What keeps its memory on its NUMA nodes: a cgroup, or nothing.
    public var memoryBinding = "none"
    /// `MemoryPolicy.Mode.name`.
    public var memoryPolicy = "none"
    public init() {}
}

/// How a container ended: the launcher's `waitid`, or the step that kept it from starting.
public struct ContainerExit: Sendable, Hashable {
    public enum Status: Sendable, Hashable {
        case code(Int32)
        case signal(Int32)
        case startFailure(step: String, subject: String, errno: Int32)
    }
    public var id: String
    public var status: Status
    /// Milliseconds since 1970.
    public var started: Int64
    public var ended: Int64
    public var userMicroseconds: Int64 = 0
    public var systemMicroseconds: Int64 = 0
    /// Bytes.
    public var peakMemory: Int64 = 0
    public var outOfMemory = false
    public var timedOut = false
    public var stopped = false
    public var enforcement = EnforcementReached()
    public init(id: String, status: Status, started: Int64, ended: Int64) {
        self.id = id
        self.status = status
        self.started = started
        self.ended = ended
    }
}
