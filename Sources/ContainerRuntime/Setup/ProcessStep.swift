public import OCIRuntimeSpec

/// Steps that make the process of a bundle what config.json says. Errors name the field.
public enum ProcessStep: Sendable, Hashable, CustomStringConvertible {
    case domainname(String)
    case sysctl(name: String, value: String)
    case oomScore(Int)
    case scheduler(SchedulerSpec)
    case ioPriority(IOPrioritySpec)
    case personality(UInt)
    case memoryPolicy(mode: Int32, nodes: [Int])
    /// That of the container of this id: made, or joined where it is there.
    case sessionKeyring(String)
    /// Ids of the container, set before the file systems are: what is made there is its root's.
    case namespaceRoot(setsGroups: Bool)
    /// Streams on /dev/null are on the container's.
    case ownNull
    case apparmor(String)
    case selinux(String)
    /// A cgroup namespace, once the process is where it is to stay (cgroup_namespaces(7)).
    case cgroupNamespace
    /// A time namespace with clocks of its own: `/proc/PID/timens_offsets`, time_namespaces(7).
    case timeNamespace(offsets: String)
    case hooks([HookSpec], field: String, state: ContainerState)
    /// Tells the runtime how far it is, and waits to be told to go on.
    case arrive(Milestone)
    /// Fails where there is no such program: it is `create` that has to say so, as runc's does.
    case requireProgram([String], [String])
    /// Waits for `start`.
    case awaitStart
    /// Finds the program; `preserved` descriptors from 3 on stay open. Where it `listens` on some of them, it is told its pid.
    case lookUpProgram([String], [String], preserved: UInt32, listens: Bool)

    public enum Milestone: UInt8, Sendable, Hashable {
        /// Ids can be mapped now.
        case cloned = 1
        /// Namespaces are there and the root is not yet entered: the place of prestart and createRuntime hooks.
        case namespaces
        /// All is done that precedes `start`.
        case created
    }

    public var description: String {
        switch self {
        case .domainname(let name): "domainname    \(name)"
        case .sysctl(let name, let value): "sysctl        \(name)=\(value)"
        case .oomScore(let score): "oom_score_adj \(score)"
        case .scheduler(let spec): "scheduler     policy \(spec.policy)"
        case .ioPriority(let spec): "io priority   class \(spec.schedulingClass)"
        case .personality: "personality"
        case .memoryPolicy(let mode, let nodes): "memory        policy \(mode) on \(nodes)"
        case .sessionKeyring(let id): "keyring       of \(id)"
        case .namespaceRoot: "user          root of the user namespace"
        case .ownNull: "streams       from the container's /dev/null"
        case .apparmor(let profile): "apparmor      \(profile)"
        case .selinux(let label): "selinux       \(label)"
        case .cgroupNamespace: "namespace     cgroup"
        case .timeNamespace: "namespace     time"
        case .hooks(let hooks, let field, _): "hooks         \(field): \(hooks.count)"
        case .arrive(let milestone): "tell          \(milestone)"
        case .requireProgram(let arguments, _): "require       \(arguments.first ?? "")"
        case .awaitStart: "wait          for start"
        case .lookUpProgram(let arguments, _, _, _): "look up       \(arguments.first ?? "")"
        }
    }
}
