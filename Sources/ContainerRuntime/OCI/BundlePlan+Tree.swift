internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

// MARK: Root, mounts and devices

extension BundlePlan {
    mutating func planTree(_ hierarchies: [CgroupMount.Hierarchy]) throws(SpecError) {
        guard let root = spec.root else { throw Self.problem("root", "missing") }
        if let name = spec.linux.rootfsPropagation, MountOptions.propagation(name) == nil {
            throw Self.problem("linux.rootfsPropagation", "\(name) is no kind of propagation")
        }
        let path = root.path.hasPrefix("/") ? root.path : bundle + "/" + root.path
        if isNew(.mount) { steps.append(.mount(.inherited(inheritedPropagation))) }
        let rootSlot = take("root.path", path, isRecursive: true)
        let hierarchies = wantsCgroups ? hierarchies.map { taken($0) } : []
        let mounts = try plannedMounts(hierarchies)
        let devices = try plannedDevices()
        if mapsIDs {
            // The machine's trees were taken as who one was; from here on things are made as the container's root.
            steps.append(.process(.namespaceRoot(setsGroups: canSetGroups)))
        }
        steps.append(.mount(.root(path: path, slot: rootSlot)))
        steps += mounts.map { .mount($0) }
        steps += devices.map { .mount(.device($0)) }
        steps.append(.mount(.deviceLinks))
    }

    /// Nothing goes back to the machine unless that is asked for; what comes from it is received where the bundle says so.
    private var inheritedPropagation: UInt {
        switch spec.linux.rootfsPropagation {
        case "private", "rprivate", "unbindable", "runbindable": UInt(MS_REC | MS_PRIVATE)
        default: UInt(MS_REC | MS_SLAVE)
        }
    }

    /// False where the kernel denies setgroups(2): to ordinary users who map their own id alone.
    var canSetGroups: Bool {
        guard host.canSetGroups else { return false }
        return host.isNamespaceRoot || spec.linux.gidMappings.reduce(0) { $0 + Int($1.size) } > 1
    }

    private mutating func take(_ field: String, _ path: String, isRecursive: Bool) -> Int {
        lastSlot += 1
        steps.append(
            .mount(.take(field: field, path: path, slot: lastSlot, isRecursive: isRecursive)))
        return lastSlot
    }

    private var wantsCgroups: Bool {
        spec.mounts.contains { $0.type == "cgroup" || $0.type == "cgroup2" }
    }

    private mutating func taken(_ hierarchy: CgroupMount.Hierarchy) -> CgroupMount.Hierarchy {
        .init(
            name: hierarchy.name, links: hierarchy.links, type: hierarchy.type,
            parameters: hierarchy.parameters, directory: hierarchy.directory,
            slot: take("mounts: cgroup", hierarchy.directory, isRecursive: false))
    }

    // MARK: Mounts

    private mutating func plannedMounts(_ hierarchies: [CgroupMount.Hierarchy]) throws(SpecError)
        -> [MountStep]
    {
        var steps: [MountStep] = []
        for (number, mount) in spec.mounts.enumerated() {
            steps.append(try planned(mount, "mounts[\(number)]", hierarchies))
        }
        return steps
    }

    private mutating func planned(
        _ mount: MountSpec, _ field: String, _ hierarchies: [CgroupMount.Hierarchy]
    ) throws(SpecError) -> MountStep {
        let options = MountOptions(mount.options)
        if options.isBind || mount.type == "bind" {
            return .bind(try bind(mount, field, options))
        }
        if options.isIDMapped || !mount.uidMappings.isEmpty {
            throw Self.problem(field, "ids can be mapped of bind mounts alone")
        }
        if mount.type == "cgroup" || mount.type == "cgroup2" {
            return .cgroup(
                CgroupMount(
                    field: field, destination: mount.destination, options: options,
                    hierarchies: hierarchies, isNamespaced: has(.cgroup)))
        }
        guard !mount.type.isEmpty else { throw Self.problem(field + ".type", "missing") }
        var filled = options
        // Sealed once the devices are in.
        if mount.destination == "/dev" { filled.set &= ~attrReadOnly }
        if let label = spec.linux.mountLabel, Self.labelled.contains(mount.type) {
            filled.parameters.append(MountOptions.Parameter(key: "context", value: label))
        }
        return .fileSystem(
            FileSystemMount(
                field: field, type: mount.type, source: mount.source,
                destination: mount.destination, options: filled))
    }

    /// File systems made for the container that take the label of their files as an option (mount(8), "context=").
    private static let labelled: Set<String> = ["tmpfs", "devpts", "ramfs"]

    private mutating func bind(_ mount: MountSpec, _ field: String, _ options: MountOptions)
        throws(SpecError) -> BindMount
    {
        guard !mount.source.isEmpty else { throw Self.problem(field + ".source", "missing") }
        guard mount.destination.split(separator: "/").contains(where: { $0 != "." }) else {
            throw Self.problem(field + ".destination", "a mount cannot replace the root")
        }
        if let unknown = options.parameters.first {
            throw Self.problem(field + ".options", "\(unknown.key) is no option of a bind mount")
        }
        let source = mount.source.hasPrefix("/") ? mount.source : bundle + "/" + mount.source
        let slot: Int
        if options.isIDMapped || !mount.uidMappings.isEmpty {
            slot = try mapped(mount, source, field, options)
        } else {
            slot = take(field + ".source", source, isRecursive: options.isRecursive)
        }
        return BindMount(
            field: field, source: source, destination: mount.destination, options: options,
            slot: slot)
    }

    /// A mount's own mappings, else those of the container (config.md, "mounts").
    private mutating func mapped(
        _ mount: MountSpec, _ source: String, _ field: String, _ options: MountOptions
    ) throws(SpecError) -> Int {
        let ownIDs = !mount.uidMappings.isEmpty && !mount.gidMappings.isEmpty
        let uids = ownIDs ? mount.uidMappings : spec.linux.uidMappings
        let gids = ownIDs ? mount.gidMappings : spec.linux.gidMappings
        guard !uids.isEmpty, !gids.isEmpty else {
            throw Self.problem(
                field + ".uidMappings", "neither the mount nor the container maps ids")
        }
        lastSlot += 1
        mappedTrees.append(
            MappedTree(
                field: field, path: source, slot: lastSlot,
                isRecursive: options.isRecursive,
                // Of older documents, that only give the mappings, as much is mapped as is bound.
                mapsBelow: options.isIDMappedBelow
                    || options.isRecursive && !options.isIDMapped, uidMappings: uids,
                gidMappings: gids))
        return lastSlot
    }

    /// Mounts that are filled after they were made, and were to be read-only: /dev alone.
    var sealedPaths: [String] {
        spec.mounts.filter { $0.destination == "/dev" && $0.type == "tmpfs" }
            .filter { MountOptions($0.options).isReadOnly }.map(\.destination)
    }

    // MARK: Devices

    /// config-linux.md, "Default Devices".
    private static let defaultDevices: [(path: String, major: Int64, minor: Int64)] = [
        ("/dev/null", 1, 3), ("/dev/zero", 1, 5), ("/dev/full", 1, 7), ("/dev/random", 1, 8),
        ("/dev/urandom", 1, 9), ("/dev/tty", 5, 0),
    ]

    private mutating func plannedDevices() throws(SpecError) -> [DeviceNode] {
        // A /dev that is the machine's has its devices, and is not ours to make any in.
        if spec.mounts.contains(where: {
            $0.destination == "/dev" && (MountOptions($0.options).isBind || $0.type == "bind")
        }) {
            return []
        }
        let own = Set(spec.linux.devices.map(\.path))
        var nodes: [DeviceNode] = []
        for device in Self.defaultDevices where !own.contains(device.path) {
            nodes.append(
                node(
                    DeviceSpec(
                        kind: .character, path: device.path, major: device.major,
                        minor: device.minor), "linux.devices: \(device.path)"))
        }
        for (number, device) in spec.linux.devices.enumerated() {
            nodes.append(node(device, "linux.devices[\(number)]"))
        }
        return nodes
    }

    private mutating func node(_ device: DeviceSpec, _ field: String) -> DeviceNode {
        let type: UInt32 =
            switch device.kind {
            case .character: UInt32(S_IFCHR)
            case .block: UInt32(S_IFBLK)
            case .fifo: UInt32(S_IFIFO)
            }
        // A named pipe is no device: whoever may write there may make one.
        let isBound = isUnprivileged && device.kind != .fifo
        return DeviceNode(
            field: field, path: device.path, mode: type | (device.fileMode ?? 0o666),
            major: device.major, minor: device.minor, uid: device.uid ?? 0, gid: device.gid ?? 0,
            slot: isBound ? take(field, device.path, isRecursive: false) : nil)
    }
}
