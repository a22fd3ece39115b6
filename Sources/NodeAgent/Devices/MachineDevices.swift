internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import Topology

/// The devices of this node, for tasks that are given some. Files are looked at when a task starts: drivers are replaced, and
/// descriptions of devices written, while an agent lives.
struct MachineDevices {
    /// Below which the machine's files are; `/` but in tests.
    let root: String
    let topology: NodeTopology

    /// What a task with GPUs of these names gets; nothing where there are none. `isOnHost` says that it has the machine's own root.
    func grant(_ ids: [String], isOnHost: Bool) throws(SystemError) -> DeviceGrant {
        var grant = DeviceGrant()
        guard !ids.isEmpty else { return grant }
        let files = try MachineFiles(root)
        let described = ids.filter(Self.isDescribed)
        let gpus = try ids.filter { !Self.isDescribed($0) }.map { id throws(SystemError) in
            guard let gpu = GrantedGPU(id, of: topology) else {
                throw SystemError(
                    "devices", id, errno: ENODEV, hint: "this node has no such GPU, or no longer")
            }
            return gpu
        }
        if !gpus.isEmpty { grant.append(try native(gpus, files, isOnHost: isOnHost)) }
        if !described.isEmpty {
            grant.append(try Self.describedGrant(described, root, files, isOnHost: isOnHost))
        }
        try grant.injection.check()
        return grant
    }

    /// A name of the Container Device Interface: `vendor/class=name`.
    private static func isDescribed(_ id: String) -> Bool { id.contains("/") && id.contains("=") }

    private func native(
        _ gpus: [GrantedGPU], _ files: borrowing MachineFiles, isOnHost: Bool
    ) throws(SystemError) -> DeviceGrant {
        var found: [String: MachineFiles.Device] = [:]
        let vendors = Set(gpus.map(\.vendor))
        for node in vendors.flatMap({ topology.driverNodes[$0] ?? [] }) + gpus.flatMap(\.nodes) {
            do throws(SystemError) {
                found[node.path] = try files.device(node.path)
            } catch {
                // Drivers make some of them when they are first used.
                guard error.errno == ENOENT else { throw error }
            }
        }
        var grant = try DeviceGrant(gpus, shared: topology.driverNodes, found: found)
        if vendors.contains(.nvidia), let driver = NVIDIADriver.read(files) {
            grant.append(DeviceGrant(driver, isOnHost: isOnHost))
        }
        return grant
    }

    private static func describedGrant(
        _ names: [String], _ root: String, _ files: borrowing MachineFiles, isOnHost: Bool
    ) throws(SystemError) -> DeviceGrant {
        let registry = try CDIRegistry.read(root: root)
        do {
            let edits = try registry.edits(for: names)
            return try DeviceGrant(
                edits, try DescribedFiles(of: edits, in: files), isOnHost: isOnHost)
        } catch let error as CDIError {
            throw SystemError("devices", error.device, errno: ENODEV, hint: "\(error)")
        } catch let error as SystemError {
            throw error
        } catch {
            // Nothing else is thrown there.
            throw SystemError("devices", names.joined(separator: " "), errno: EIO, hint: "\(error)")
        }
    }
}

extension NodeTopology {
    /// Nodes whose memory is a GPU's must not be what a task allocates from; empty where there are none of them.
    var memoryNodesOfProcessors: [Int] {
        guard numaNodes.contains(where: { $0.gpu != nil }) else { return [] }
        return numaNodes.filter { $0.gpu == nil && $0.isAllowed && $0.memory > 0 }.map(\.id)
    }
}
