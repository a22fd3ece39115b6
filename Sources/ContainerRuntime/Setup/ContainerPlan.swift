/// What the child does between clone and exec, in order: data that can be printed, tested and carried out.
public struct ContainerPlan: Sendable {
    public let steps: [SetupStep]

    /// The plan for `spec` on a machine as `host` describes it, with the v1 cgroups to join. Pure.
    /// `upper` is the directory to be made for the writable layer; nil means a tmpfs. `seccomp` is what `spec.seccomp` means,
    /// compiled; nil means no filter. What `waits` is set up, and runs its program when it is told to.
    public init(
        _ spec: ContainerSpec, on host: HostFacts, cgroups: [String] = [], upper: String? = nil,
        seccomp: SeccompFilter? = nil, waits: Bool = false
    ) {
        // Into its cgroups first, so that all that follows is accounted.
        var steps = cgroups.map(SetupStep.joinCgroup)
        steps += [.session, .hostname(spec.hostname)]
        if case .private(let ports) = spec.network {
            // Early: it is connected while the mounts are made.
            steps += [.network, .loopback, .handOverNetwork(ports)]
        }
        switch spec.root {
        case .host:
            if spec.hasWritableLayer { steps.append(.writableLayer(upper)) }
            steps.append(.hostRoot)
            // Whose sockets would let a task command its own launcher.
            if let directory = host.runDirectory { steps.append(.hide(directory)) }
        case .layers(let layers):
            steps.append(.writableLayer(upper))
            steps.append(
                .overlay(
                    layers: layers, userXattr: host.inUserNamespace,
                    oneByOne: host.takesLayersOneByOne))
            if spec.keepUpper { steps.append(.handOverUpper) }
        }
        steps.append(.proc)
        if !host.inUserNamespace, !spec.isPrivileged {
            // Root in the container is root: what /proc lets root write or read must go. In a user namespace the kernel sees
            // an ordinary user, and /proc's own permissions hold.
            steps +=
                host.readOnlyProc.map(SetupStep.readOnlyProc)
                + host.maskedProc.map(SetupStep.maskProc)
        }
        if spec.isPrivileged {
            steps += [.machineDevices(shm: spec.shmSize), .machineSys]
        } else {
            let ownTerminalGroup = !host.inUserNamespace
            steps.append(
                spec.devices.isEmpty
                    ? .dev(shm: spec.shmSize, ownTerminalGroup: ownTerminalGroup)
                    : .device(.directory(shm: spec.shmSize, ownTerminalGroup: ownTerminalGroup)))
            steps.append(.sys)
        }
        if case .host = spec.root { steps.append(.tmpfs("/tmp", size: nil)) }
        if !spec.devices.isEmpty {
            steps += spec.devices.steps(on: host, isPrivileged: spec.isPrivileged)
        }
        // Parents before what is mounted within them.
        let mounts = spec.mounts.enumerated().sorted {
            let (a, b) = (Self.depth($0.element.destination), Self.depth($1.element.destination))
            return a == b ? $0.offset < $1.offset : a < b
        }
        for (place, mount) in mounts {
            switch mount.kind {
            case .bind:
                steps.append(.bind(mount.source, mount.destination, readOnly: mount.readOnly))
            case .tmpfs: steps.append(.tmpfs(mount.destination, size: mount.size))
            case .hostFile: steps.append(.hostFile(mount.source, mount.destination))
            case .privateCopy, .keptCopy:
                steps.append(
                    .privateCopy(
                        mount.source, mount.destination, place: place,
                        userXattr: host.inUserNamespace))
                if mount.kind == .keptCopy { steps.append(.handOverCopy(place)) }
            }
        }
        if case .layers = spec.root, spec.workingDirectory != "/" {
            steps.append(.makeWorkingDirectory(spec.workingDirectory))
        }
        // Last of the mounts: every mount point has been made by now.
        if spec.readOnlyRoot { steps.append(.sealRoot) }
        steps.append(.pivot)
        // While the process is root, whom no mode of ptmx keeps out.
        if let size = spec.terminal { steps.append(.terminal(size, onConsole: false)) }
        if spec.network != .host { steps.append(.awaitNetwork) }
        // Root in a container is root, and could give the machine's own another mode.
        if !host.inUserNamespace, !spec.isPrivileged { steps.append(.process(.ownNull)) }
        if !spec.resourceLimits.isEmpty { steps.append(.resourceLimits(spec.resourceLimits)) }
        if !spec.cpus.isEmpty { steps.append(.affinity(spec.cpus)) }
        if let policy = spec.memoryPolicy { steps.append(.memoryPolicy(policy)) }
        if spec.isPrivileged { steps.append(.keepCapabilities) }
        steps += Self.identity(
            spec.user, spec.devices.groups, canSetGroups: host.canSetGroups,
            keepsGroups: host.inUserNamespace)
        steps.append(
            spec.isPrivileged
                ? .capabilitySets(.inherited(host.capabilities))
                : .capabilities(Capabilities.docker))
        // As the task's user: a directory that it may not enter is an error now, not in the task.
        steps.append(.workingDirectory(spec.workingDirectory))
        if !spec.isPrivileged { steps.append(.noNewPrivileges) }
        // After the identity, whose change would clear it (prctl(2), PR_SET_PDEATHSIG).
        steps.append(.dieWithLauncher)
        if spec.withInit { steps.append(.becomeInit) }
        // What of the launcher's is open here would stay open as long as this waits.
        if waits { steps += [.closeDescriptors(preserved: 0), .awaitTurn] }
        // Last before exec, and after all that needs a system call: a profile need not allow more than execve.
        if let seccomp {
            steps += [.lookUpProgram(spec.arguments, spec.environment), .seccomp(seccomp)]
        }
        steps.append(.exec(spec.arguments, spec.environment))
        self.steps = steps
    }

    /// The plan for a process that joins a running container. Pure.
    ///
    /// Carried out by a process that is in between: it goes into the container's cgroups and namespaces and clones there the
    /// one that becomes the command, which is its parent's child and not its own (CLONE_PARENT): only a new process is in a
    /// process namespace that was joined, pid_namespaces(7).
    public init(
        exec spec: ExecSpec, into target: ExecTarget, seccomp: SeccompFilter? = nil
    ) {
        var steps: [SetupStep] = []
        // Its parent's namespaces are not yet left: while that is so, nothing but this ends it with its launcher.
        if target.diesWithLauncher { steps.append(.dieWithLauncher) }
        steps += target.cgroups.map(SetupStep.joinCgroup)
        // Before anybody in there could look (CVE-2016-9962).
        steps += [.undumpable, .closeDescriptors(preserved: 0), .joinNamespaces(target.namespaces)]
        if target.namespaces & Namespace.pid != 0 { steps.append(.enterProcessNamespace) }
        steps += [.session, .process(.ownNull)]
        if let size = spec.terminal { steps.append(.terminal(size, onConsole: false)) }
        if !spec.resourceLimits.isEmpty { steps.append(.resourceLimits(spec.resourceLimits)) }
        if !spec.cpus.isEmpty { steps.append(.affinity(spec.cpus)) }
        if let policy = spec.memoryPolicy { steps.append(.memoryPolicy(policy)) }
        steps.append(.umask(spec.umask))
        if case .sets = spec.privileges { steps.append(.keepCapabilities) }
        switch spec.identity {
        case .named(let user):
            steps += Self.identity(
                user, target.deviceGroups, canSetGroups: target.canSetGroups,
                keepsGroups: target.isInUserNamespace)
        case .ids(let uid, let gid, let groups):
            steps.append(
                .ids(uid: uid, gid: gid, groups: target.canSetGroups ? groups : nil))
        }
        switch spec.privileges {
        case .ofRoot(let set): steps.append(.capabilities(set))
        case .sets(let sets): steps.append(.capabilitySets(sets))
        }
        steps.append(.workingDirectory(spec.workingDirectory))
        if spec.noNewPrivileges { steps.append(.noNewPrivileges) }
        if let seccomp {
            steps += [.lookUpProgram(spec.arguments, spec.environment), .seccomp(seccomp)]
        }
        steps.append(.exec(spec.arguments, spec.environment))
        self.steps = steps
    }

    /// In a user namespace no group of the machine can be given; there the process keeps those that its launcher's user has.
    private static func identity(
        _ user: String, _ deviceGroups: [UInt32], canSetGroups: Bool, keepsGroups: Bool
    ) -> [SetupStep] {
        guard !deviceGroups.isEmpty else { return [.identity(user: user, groups: canSetGroups)] }
        if keepsGroups { return [.identity(user: user, groups: false)] }
        return [.device(.groups(deviceGroups)), .identity(user: user, groups: canSetGroups)]
    }

    /// Number of components of a path.
    private static func depth(_ path: String) -> Int { path.split(separator: "/").count }
}

/// What of the machine shapes a plan.
public struct HostFacts: Sendable, Hashable {
    /// The launcher runs for an ordinary user, in a user namespace of its own.
    public var inUserNamespace: Bool
    /// False where only one id is mapped: then setgroups(2) is denied, user_namespaces(7).
    public var canSetGroups: Bool
    /// overlayfs knows `lowerdir+`: Linux 6.8.
    public var takesLayersOneByOne: Bool
    /// Entries of /proc that exist here, of Docker's lists (moby, oci/defaults.go).
    public var readOnlyProc: [String]
    public var maskedProc: [MaskedEntry]
    /// The launcher's own directory, with its sockets.
    public var runDirectory: String?
    /// What the launcher itself may do: permitted ones.
    public var capabilities: UInt64

    public init(
        inUserNamespace: Bool, canSetGroups: Bool, takesLayersOneByOne: Bool,
        readOnlyProc: [String],
        maskedProc: [MaskedEntry], runDirectory: String? = nil, capabilities: UInt64 = 0
    ) {
        self.inUserNamespace = inUserNamespace
        self.canSetGroups = canSetGroups
        self.takesLayersOneByOne = takesLayersOneByOne
        self.readOnlyProc = readOnlyProc
        self.maskedProc = maskedProc
        self.runDirectory = runDirectory
        self.capabilities = capabilities
    }
}

/// An entry of /proc that the container sees empty.
public struct MaskedEntry: Sendable, Hashable {
    public var name: String
    public var isDirectory: Bool
    public init(name: String, isDirectory: Bool) {
        self.name = name
        self.isDirectory = isDirectory
    }
}

/// One thing to set up. Its description is one line, for `martlet debug plan`.
public enum SetupStep: Sendable, Hashable, CustomStringConvertible {
    /// A cgroup v1 directory; into a v2 cgroup the child is cloned.
    case joinCgroup(String)
    case session
    case hostname(String)
    /// A network namespace of its own, in which nothing is up.
    case network
    case loopback
    /// To the launcher, to be connected with these ports.
    case handOverNetwork([ContainerSpec.Port])
    case awaitNetwork
    case hostRoot
    case hide(String)
    case writableLayer(String?)
    case overlay(layers: [String], userXattr: Bool, oneByOne: Bool)
    case handOverUpper
    /// A number of its own names its place in the writable layer.
    case privateCopy(String, String, place: Int, userXattr: Bool)
    case handOverCopy(Int)
    case proc
    case readOnlyProc(String)
    case maskProc(MaskedEntry)
    case dev(shm: Int64?, ownTerminalGroup: Bool)
    case sys
    case machineDevices(shm: Int64?)
    case machineSys
    case bind(String, String, readOnly: Bool)
    case tmpfs(String, size: Int64?)
    case hostFile(String, String)
    case makeWorkingDirectory(String)
    case sealRoot
    case pivot
    case resourceLimits([ContainerSpec.ResourceLimit])
    case affinity([Int])
    case memoryPolicy(MemoryPolicy)
    case identity(user: String, groups: Bool)
    case capabilities(UInt64)
    case workingDirectory(String)
    case noNewPrivileges
    case dieWithLauncher
    case becomeInit
    /// Until the launcher lets it go.
    case awaitTurn
    /// What exec needs, made ready for it.
    case lookUpProgram([String], [String])
    case seccomp(SeccompFilter)
    case exec([String], [String])
    case undumpable
    /// All but 0 to 2, those that are to be preserved, the status socket and the process that is joined.
    case closeDescriptors(preserved: UInt32)
    /// Flags of setns(2).
    case joinNamespaces(UInt64)
    case enterProcessNamespace
    case terminal(TerminalSize, onConsole: Bool)
    case umask(UInt32)
    /// Over a change of user, prctl(2), PR_SET_KEEPCAPS.
    case keepCapabilities
    /// Nil groups leave them as they are, where setgroups(2) is denied.
    case ids(uid: UInt32, gid: UInt32, groups: [UInt32]?)
    case capabilitySets(CapabilitySets)
    case mount(MountStep)
    case process(ProcessStep)
    case device(DeviceStep)

    public var description: String {
        switch self {
        case .joinCgroup(let path): "cgroup        \(path)"
        case .session: "session       of its own"
        case .hostname(let name): "hostname      \(name)"
        case .network: "network       of its own"
        case .loopback: "loopback      up"
        case .handOverNetwork(let ports):
            (["network       connected by pasta"] + ports.map(\.description)).joined(
                separator: ", ")
        case .awaitNetwork: "network       connected from here on"
        case .hostRoot: "root          the machine's own, read-only"
        case .hide(let path): "hide          \(path)"
        case .writableLayer(let directory): "upper         \(directory ?? "tmpfs")"
        case .overlay(let layers, let userXattr, _):
            "root          overlay of \(layers.count) layers\(userXattr ? " (userxattr)" : ""): \(layers.joined(separator: " "))"
        case .handOverUpper: "upper         kept for collecting"
        case .privateCopy(let source, let destination, _, _):
            "copy          \(source) on \(destination), to be written to by this container alone"
        case .handOverCopy: "copy          kept for collecting"
        case .proc: "mount         /proc"
        case .readOnlyProc(let name): "read-only     /proc/\(name)"
        case .maskProc(let entry): "mask          /proc/\(entry.name)"
        case .dev(let shm, _):
            "mount         /dev, /dev/pts, /dev/shm\(shm.map { " of \($0) bytes" } ?? "")"
        case .sys: "mount         /sys, read-only"
        case .machineDevices(let shm):
            "mount         /dev of the machine, with /dev/pts and /dev/shm\(shm.map { " of \($0) bytes" } ?? "") of its own"
        case .machineSys: "mount         /sys of the machine"
        case .bind(let source, let destination, let readOnly):
            "bind          \(source) on \(destination)\(readOnly ? ", read-only" : "")"
        case .tmpfs(let path, let size):
            "tmpfs         \(path)\(size.map { " of \($0) bytes" } ?? "")"
        case .hostFile(let source, let destination):
            "bind          \(source) on \(destination), read-only, where the machine has it"
        case .makeWorkingDirectory(let path): "directory     \(path), made where it is missing"
        case .sealRoot: "root          read-only from here on"
        case .pivot: "pivot_root    and let the machine's tree go"
        case .resourceLimits(let limits):
            "rlimits       "
                + limits.map { "\($0.resource)=\($0.soft):\($0.hard)" }.joined(separator: " ")
        case .affinity(let cpus): "cpus          \(cpus.map(String.init).joined(separator: ","))"
        case .memoryPolicy(let policy): "memory        \(policy)"
        case .identity(let user, _): "user          \(user.isEmpty ? "root" : user)"
        case .capabilities(let set):
            "capabilities  \(Capabilities.names(in: set).joined(separator: " "))"
        case .workingDirectory(let path): "directory     \(path)"
        case .noNewPrivileges: "no_new_privs"
        case .dieWithLauncher: "pdeathsig     SIGKILL with the launcher"
        case .becomeInit: "init          PID 1 reaps and forwards signals"
        case .awaitTurn: "wait          for its turn"
        case .lookUpProgram(let arguments, _): "program       \(arguments.first ?? ""), looked up"
        case .seccomp(let filter):
            "seccomp       a filter of \(filter.program.count / 8) instructions"
        case .exec(let arguments, _): "exec          \(arguments.joined(separator: " "))"
        case .undumpable: "undumpable    until exec: nobody in the container may look in"
        case .closeDescriptors: "close         every descriptor but stdin, stdout and stderr"
        case .joinNamespaces(let flags):
            "join          \(NamespaceKind.names(in: flags).joined(separator: " "))"
        case .enterProcessNamespace: "clone         into the process namespace"
        case .terminal(let size, let onConsole):
            "terminal      \(size.columns)×\(size.rows)\(onConsole ? ", on /dev/console" : "")"
        case .umask(let mask): "umask         0\(String(mask, radix: 8))"
        case .keepCapabilities: "keep          capabilities over the change of user"
        case .ids(let uid, let gid, let groups):
            "ids           \(uid):\(gid)"
                + (groups.map {
                    $0.isEmpty ? "" : " +\($0.map(String.init).joined(separator: ","))"
                }
                    ?? "")
        case .capabilitySets(let sets): "capabilities  \(sets)"
        case .mount(let step): step.description
        case .process(let step): step.description
        case .device(let step): step.description
        }
    }
}
