internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// A bundle's config.json as what is to be done: by the runtime before and after the clone, and by the child, whose steps are
/// the launcher's own kind. Pure.
package struct BundlePlan: Sendable {
    /// A tree that only the parent may make, for the child to mount: with its ids mapped, mount_setattr(2).
    struct MappedTree: Sendable, Hashable {
        let field: String
        let path: String
        let slot: Int
        let isRecursive: Bool
        /// The mounts below are mapped, too.
        let mapsBelow: Bool
        let uidMappings: [IDMapping]
        let gidMappings: [IDMapping]
    }

    /// CLONE_NEW flags of clone3(2).
    var cloneFlags: UInt64 = 0
    /// Namespaces to join before the clone.
    var joins: [NamespaceSpec] = []
    /// What the process that joins them is before it does, and the child inherits.
    var inherited: [SetupStep] = []
    var mappedTrees: [MappedTree] = []
    /// The parent writes the maps of a new user namespace.
    var mapsIDs = false
    package internal(set) var steps: [SetupStep] = []
    /// Leniencies towards ordinary users, for the log.
    package internal(set) var notes: [String] = []

    let spec: RuntimeSpec
    let process: ProcessSpec
    let bundle: String
    let host: BundleHost
    let filter: SeccompFilter?
    var lastSlot = 0

    /// - Parameters:
    ///   - spec: the bundle's config.json.
    ///   - bundle: absolute path.
    ///   - cgroupMounts: what a mount of type cgroup shows.
    ///   - cgroups: v1 directories, which the child joins.
    ///   - filter: `linux.seccomp`, compiled.
    ///   - waitsForCgroup: the child is moved into its cgroup from outside before it goes on.
    ///   - state: what hooks are told; `pid` is filled in.
    /// Throws an error that names the field which this machine or this user cannot have.
    init(
        _ spec: RuntimeSpec, bundle: String, host: BundleHost,
        cgroupMounts: [CgroupMount.Hierarchy], state: ContainerState, cgroups: [String],
        waitsForCgroup: Bool, filter: SeccompFilter?
    ) throws(SpecError) {
        guard let process = spec.process else { throw Self.problem("process", "missing") }
        self.spec = spec
        self.process = process
        self.bundle = bundle
        self.host = host
        self.filter = filter
        try refuseWhatIsNotDone()
        try planNamespaces()
        // As the machine's user, whose they are: a user namespace that is joined has no right to them.
        if joins.isEmpty {
            steps += cgroups.map(SetupStep.joinCgroup)
        } else {
            inherited += cgroups.map(SetupStep.joinCgroup)
        }
        if mapsIDs || waitsForCgroup { steps.append(.process(.arrive(.cloned))) }
        // Whoever keeps a controlling terminal can type into it (CVE-2017-5226).
        steps.append(.session)
        try planOwnFiles()
        try planTree(cgroupMounts)
        planHooks(state)
        planEntry()
        try planProcess(state)
    }

    static func problem(_ field: String, _ problem: String) -> SpecError {
        SpecError(document: "config.json", field: field, problem: problem)
    }

    func has(_ kind: NamespaceSpec.Kind) -> Bool {
        spec.linux.namespaces.contains { $0.kind == kind }
    }

    func isNew(_ kind: NamespaceSpec.Kind) -> Bool {
        spec.linux.namespaces.contains { $0.kind == kind && $0.path == nil }
    }

    /// Others are in the child's process namespace already, and could look at it from its first moment on (CVE-2016-9962). Maps
    /// of ids can be written of a process alone that lets itself be looked at, proc(5).
    var isWatched: Bool { !mapsIDs && joins.contains { $0.kind == .pid } }

    /// What is made in the container is made by its root: an id that its user namespace, if new, has.
    var isUnprivileged: Bool { has(.user) || !host.isRoot }

    /// What a container would go without, and nobody would know.
    private func refuseWhatIsNotDone() throws(SpecError) {
        guard spec.linux.netDevices.isEmpty else {
            throw Self.problem("linux.netDevices", "this runtime moves no network devices")
        }
        guard spec.linux.mountLabel == nil || host.hasSELinux else {
            throw Self.problem("linux.mountLabel", "this machine has no SELinux")
        }
    }

    // MARK: Namespaces

    private static let flags: [NamespaceSpec.Kind: UInt64] = [
        .pid: Namespace.pid, .network: Namespace.network, .mount: Namespace.mount,
        .ipc: Namespace.ipc, .uts: Namespace.uts, .user: Namespace.user,
    ]

    private mutating func planNamespaces() throws(SpecError) {
        guard has(.mount) else {
            throw Self.problem("linux.namespaces", "a mount namespace is needed")
        }
        if !host.isNamespaceRoot, !has(.user) {
            throw Self.problem(
                "linux.namespaces", "an ordinary user's container needs a user namespace")
        }
        for namespace in spec.linux.namespaces {
            if namespace.path != nil {
                joins.append(namespace)
            } else if let flag = Self.flags[namespace.kind] {
                cloneFlags |= flag
            }
        }
        try checkMappings()
    }

    private mutating func checkMappings() throws(SpecError) {
        let (uids, gids) = (spec.linux.uidMappings, spec.linux.gidMappings)
        mapsIDs = isNew(.user)
        guard mapsIDs else {
            if !uids.isEmpty || !gids.isEmpty, !has(.user) {
                throw Self.problem(
                    "linux.\(uids.isEmpty ? "gidMappings" : "uidMappings")",
                    "there is no user namespace to map ids in")
            }
            return
        }
        if uids.isEmpty {
            throw Self.problem("linux.uidMappings", "a new user namespace needs one")
        }
        if gids.isEmpty {
            throw Self.problem("linux.gidMappings", "a new user namespace needs one")
        }
    }

    /// `/proc/PID/timens_offsets`, time_namespaces(7).
    var timeOffsets: String {
        spec.linux.timeOffsets.sorted { $0.key < $1.key }
            .map { "\($0.key) \($0.value.seconds) \($0.value.nanoseconds)\n" }.joined()
    }

    // MARK: Hooks and entry

    private mutating func planHooks(_ state: ContainerState) {
        if !spec.hooks.prestart.isEmpty || !spec.hooks.createRuntime.isEmpty {
            steps.append(.process(.arrive(.namespaces)))
        }
        let hooks = spec.hooks.createContainer
        if !hooks.isEmpty {
            steps.append(.process(.hooks(hooks, field: "hooks.createContainer", state: state)))
        }
    }

    private mutating func planEntry() {
        // Before the pivot, where the machine's own /proc is still to be had.
        for (name, value) in spec.linux.sysctl.sorted(by: { $0.key < $1.key }) {
            steps.append(.process(.sysctl(name: name, value: value)))
        }
        let links = Set(spec.linux.maskedPaths).subtracting(["/"])
        steps += spec.linux.readonlyPaths.map { .mount(.readOnly($0)) }
        steps += spec.linux.maskedPaths.filter(links.contains).map { .mount(.mask($0)) }
        if process.terminal {
            let size = process.consoleSize.map { TerminalSize(rows: $0.height, columns: $0.width) }
            steps.append(.terminal(size ?? TerminalSize(rows: 0, columns: 0), onConsole: true))
        }
        for path in sealedPaths { steps.append(.mount(.seal(path))) }
        if spec.root?.readonly == true { steps.append(.mount(.rootReadOnly)) }
        steps.append(host.usesPivot ? .pivot : .mount(.moveRoot))
        if let flag = spec.linux.rootfsPropagation.flatMap(MountOptions.propagation) {
            // Slave and private are what it is already; the others are set now, when nothing of the machine is left.
            steps.append(.mount(.rootPropagation(flag)))
        }
    }
}
