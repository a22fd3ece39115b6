internal import ContainerRuntime
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec
internal import Topology

/// What the machine has of the files that descriptions of devices name.
struct DescribedFiles {
    /// By the path on the machine.
    var devices: [String: MachineFiles.Device] = [:]
    /// Where they really lie.
    var places: [String: String] = [:]
    /// Of libraries.
    var sonames: [String: String] = [:]
    /// Of NVIDIA's driver, as `NVIDIADriver.parameters`.
    var driverParameters: String?

    init() {}

    init(of edits: ContainerEdits, in files: borrowing MachineFiles) throws(SystemError) {
        for node in edits.deviceNodes {
            let path = node.hostPath ?? node.path
            do throws(SystemError) {
                devices[path] = try files.device(path)
            } catch {
                guard error.errno == ENOENT else { throw error }
            }
        }
        for mount in edits.mounts {
            places[mount.source] = files.place(of: mount.source)
            sonames[mount.source] = files.soname(of: mount.source)
        }
        driverParameters = files.text(NVIDIADriver.parametersPath)
    }
}

extension DeviceGrant {
    /// What a description of devices (Container Device Interface) asks for. Throws for what a task's container cannot be given.
    init(_ edits: ContainerEdits, _ found: DescribedFiles, isOnHost: Bool) throws(SystemError) {
        self.init()
        for (field, isAsked) in [
            ("netDevices", !edits.netDevices.isEmpty), ("intelRdt", edits.intelRdt != nil),
        ] where isAsked {
            throw SystemError(
                "devices", "containerEdits.\(field)", errno: EOPNOTSUPP,
                hint: "tasks are not given any")
        }
        for entry in edits.env {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { environment[String(parts[0])] = String(parts[1]) }
        }
        for node in edits.deviceNodes { try add(node, found) }
        for mount in edits.mounts { try add(mount, found, isOnHost: isOnHost) }
        injection.groups += edits.additionalGids.filter { $0 != 0 }
        let hooks = edits.hooks
        for hook in hooks.prestart + hooks.createRuntime + hooks.createContainer
            + hooks.startContainer + hooks.poststart + hooks.poststop
        { add(try ContainerHook(hook), edits.mounts, found, isOnHost: isOnHost) }
    }

    private mutating func add(_ node: ContainerEdits.DeviceNode, _ found: DescribedFiles)
        throws(SystemError)
    {
        let source = node.hostPath ?? node.path
        let device = found.devices[source]
        let kind: DeviceInjection.Node.Kind? =
            switch node.kind {
            case .character: .character
            case .block: .block
            case .fifo: .fifo
            case nil: nil
            }
        guard
            let base = device.map({ DeviceInjection.Node($0, at: node.path) })
                ?? kind.flatMap({ kind in
                    node.major.flatMap { major in
                        node.minor.map { minor in
                            .init(
                                path: node.path, source: source, kind: kind, major: major,
                                minor: minor)
                        }
                    }
                })
        else {
            throw SystemError(
                "devices", source, errno: ENOENT,
                hint: "this machine lacks a device that a description of devices names")
        }
        let isSame =
            (kind ?? base.kind) == base.kind && (node.major ?? base.major) == base.major
            && (node.minor ?? base.minor) == base.minor
        guard isSame else {
            throw SystemError(
                "devices", source, errno: ENODEV,
                hint: "it is \(base.major):\(base.minor), and not what is described")
        }
        var own = base
        own.mode = node.fileMode.map { $0 & 0o777 } ?? own.mode
        own.uid = node.uid ?? own.uid
        own.gid = node.gid ?? own.gid
        injection.nodes.append(own)
        injection.groups += device?.groups ?? []
    }

    private mutating func add(_ mount: MountSpec, _ found: DescribedFiles, isOnHost: Bool)
        throws(SystemError)
    {
        guard ["", "bind", "none"].contains(mount.type) else {
            throw SystemError(
                "devices", mount.destination, errno: EOPNOTSUPP,
                hint: "a description of devices asks for a mount of type \(mount.type)")
        }
        guard let place = found.places[mount.source] else {
            throw SystemError(
                "devices", mount.source, errno: ENOENT,
                hint: "this machine lacks a file that a description of devices names")
        }
        if isOnHost, mount.source == mount.destination { return }
        injection.mounts.append(.init(place, on: mount.destination, options: mount.options))
    }

    private mutating func add(
        _ hook: ContainerHook, _ mounts: [MountSpec], _ found: DescribedFiles, isOnHost: Bool
    ) {
        switch hook {
        case .nothing: break
        case .withoutDeviceFileChanges:
            guard let parameters = found.driverParameters else { break }
            injection.files = [
                .init(
                    NVIDIADriver.parametersPath, NVIDIADriver.withoutDeviceFileChanges(parameters))
            ]
        case _ where isOnHost: break
        case .links(let links):
            injection.links += links.map { .init($0.path, to: $0.target) }
        case .libraries(let directories), .sonameLinks(let directories):
            for mount in mounts {
                let (directory, name) = RootedPath.split(mount.destination)
                guard directories.contains(directory), let soname = found.sonames[mount.source]
                else { continue }
                if soname != name {
                    injection.links.append(.init(directory + "/" + soname, to: name))
                }
                if case .libraries = hook {
                    injection.libraries.append(.init(soname, at: directory + "/" + soname))
                }
            }
        }
    }
}
