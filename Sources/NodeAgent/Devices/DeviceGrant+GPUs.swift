internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import Topology

/// A GPU, or a part of one, that a task was given.
struct GrantedGPU: Hashable {
    let vendor: NodeInventory.GPU.Vendor
    /// `NodeInventory.GPU.id`.
    let id: String
    let nodes: [Topology.DeviceNode]

    /// By the name in the inventory; nil where this machine has no such GPU.
    init?(_ id: String, of topology: NodeTopology) {
        self.id = id
        for gpu in topology.gpus {
            let parts = gpu.mig.filter { $0.uuid == id }
            guard gpu.id == id || !parts.isEmpty else { continue }
            vendor = gpu.vendor
            nodes = gpu.deviceNodes + parts.flatMap(\.deviceNodes)
            return
        }
        return nil
    }
}

extension DeviceGrant {
    /// Device nodes and variables of GPUs of the vendors whose drivers Martlet knows. `found` is what the machine has at a path;
    /// a node that is missing there, and can be made from its number, is.
    init(
        _ gpus: [GrantedGPU], shared: [NodeInventory.GPU.Vendor: [Topology.DeviceNode]],
        found: [String: MachineFiles.Device]
    ) throws(SystemError) {
        self.init()
        let vendors = Set(gpus.map(\.vendor))
        let common = NodeInventory.GPU.Vendor.allCases.filter(vendors.contains)
            .flatMap { shared[$0] ?? [] }
        for node in common + gpus.flatMap(\.nodes) {
            var part = DeviceGrant()
            try part.add(node, found[node.path])
            append(part)
        }
        for vendor in vendors {
            environment.merge(
                Self.variables(vendor, gpus.filter { $0.vendor == vendor }.map(\.id))
            ) { _, later in later }
        }
    }

    private mutating func add(_ node: Topology.DeviceNode, _ device: MachineFiles.Device?)
        throws(SystemError)
    {
        guard let device else {
            injection.nodes = [
                .init(
                    path: node.path, source: node.path, major: Int64(node.major),
                    minor: Int64(node.minor))
            ]
            return
        }
        guard device.kind == .character, device.major == node.major, device.minor == node.minor
        else {
            throw SystemError(
                "devices", node.path, errno: ENODEV,
                hint: "it is \(device.major):\(device.minor), not \(node.major):\(node.minor)")
        }
        injection.nodes = [DeviceInjection.Node(device, at: node.path)]
        injection.groups = device.groups
    }

    /// Only GPUs whose nodes are there can be used; the variables are for programs that look at the kernel's lists of all of
    /// them. None by index: the index of a GPU among those of the machine is not the one in the container.
    private static func variables(_ vendor: NodeInventory.GPU.Vendor, _ ids: [String])
        -> [String: String]
    {
        switch vendor {
        case .nvidia:
            // In the order of nvidia-smi; else it is CUDA's guess which one is the fastest.
            return [
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "NVIDIA_VISIBLE_DEVICES": ids.joined(separator: ","),
            ]
        case .amd:
            // ROCm takes numbers and GPU-…, no addresses. HIP_ and CUDA_VISIBLE_DEVICES would be applied on top of it.
            guard ids.allSatisfy({ $0.hasPrefix("GPU-") }) else { return [:] }
            return ["ROCR_VISIBLE_DEVICES": ids.joined(separator: ",")]
        case .intel:
            return ["ZE_AFFINITY_MASK": ids.indices.map(String.init).joined(separator: ",")]
        case .other: return [:]
        }
    }
}

extension DeviceInjection.Node {
    init(_ device: MachineFiles.Device, at path: String) {
        let kind: Kind =
            switch device.kind {
            case .character: .character
            case .block: .block
            case .fifo: .fifo
            }
        self.init(
            path: path, source: device.path, kind: kind, major: device.major, minor: device.minor,
            mode: device.mode, uid: device.uid, gid: device.gid)
    }
}

extension MachineFiles.Device {
    /// The group that may use it, where not everybody may: `render`, `video`. Root's own is nobody's to give.
    var groups: [UInt32] {
        mode & 0o006 != 0o006 && mode & 0o060 == 0o060 && gid != 0 ? [gid] : []
    }
}
