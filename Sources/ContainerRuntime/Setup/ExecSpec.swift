/// A process to run in a container that runs already. A pure value; the launcher and the OCI command line both make it.
public struct ExecSpec: Sendable, Hashable {
    public enum Identity: Sendable, Hashable {
        /// As `ContainerSpec.user`: looked up in the container's own files.
        case named(String)
        case ids(uid: UInt32, gid: UInt32, groups: [UInt32])
    }

    public enum Privileges: Sendable, Hashable {
        /// These capabilities where the process is root, else none: as a task has them.
        case ofRoot(UInt64)
        case sets(CapabilitySets)
    }

    /// argv; the first is looked up in the container's PATH where it has no slash.
    public var arguments: [String]
    /// `NAME=value`.
    public var environment: [String] = []
    public var workingDirectory = "/"
    public var identity = Identity.named("")
    public var umask: UInt32 = 0o022
    public var privileges = Privileges.ofRoot(Capabilities.docker)
    public var noNewPrivileges = true
    /// Nil: stdin, stdout and stderr are what this process was given.
    public var terminal: TerminalSize?
    public var resourceLimits: [ContainerSpec.ResourceLimit] = []
    /// CPUs to run on; empty means as many as its cgroups and its parent allow.
    public var cpus: [Int] = []
    public var memoryPolicy: MemoryPolicy?

    public init(arguments: [String]) { self.arguments = arguments }
}

/// What of a running container shapes the plan of a process that joins it.
public struct ExecTarget: Sendable, Hashable {
    /// Flags of setns(2): `NamespaceKind.apart(from:)`.
    public var namespaces: UInt64
    /// Directories of cgroup v1 to join; into a v2 cgroup the child is cloned.
    public var cgroups: [String]
    /// False where setgroups(2) is denied, user_namespaces(7).
    public var canSetGroups: Bool
    /// The parent is a launcher, whose end is the process's end.
    public var diesWithLauncher: Bool
    /// As the container's first process has them, `DeviceInjection.groups`.
    public var deviceGroups: [UInt32] = []
    /// The parent is in a user namespace, and the container with it.
    public var isInUserNamespace = false

    public init(
        namespaces: UInt64, cgroups: [String] = [], canSetGroups: Bool = true,
        diesWithLauncher: Bool = false
    ) {
        self.namespaces = namespaces
        self.cgroups = cgroups
        self.canSetGroups = canSetGroups
        self.diesWithLauncher = diesWithLauncher
    }
}
