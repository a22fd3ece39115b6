internal import JobModel

// AMD's GPUs, by the compute driver's own topology: /sys/class/kfd, drivers/gpu/drm/amd/amdkfd/kfd_topology.c.
extension NodeTopology {
    static let kfdFolder = "/sys/class/kfd/kfd/topology/nodes"

    mutating func amdGPUs(_ system: borrowing SystemRoot) -> [GPU] {
        var gpus: [GPU] = []
        let nodes = kfdNodes(system)
        for node in nodes {
            var gpu = gpu(.amd, at: node.address)
            let folder = "/sys/bus/pci/devices/" + node.address
            gpu.model =
                system.text(folder + "/product_name").flatMap { $0.isEmpty ? nil : $0 }
                ?? name(ofDeviceAt: node.address, system) ?? system.text(node.folder + "name") ?? ""
            gpu.memory = system.number(folder + "/mem_info_vram_total").map(Int64.init)
            if let minor = node.renderMinor {
                gpu.deviceNodes = renderNodes("/sys/class/drm/renderD\(minor)/device/drm", system)
            }
            let partitions = nodes.filter { $0.address == node.address }
            if partitions.count > 1 {
                gpu.partition = partitions.firstIndex { $0.id == node.id }
                gpu.memory = gpu.memory.map { $0 / Int64(partitions.count) }
            }
            // What ROCR_VISIBLE_DEVICES takes; partitions may share it.
            if let id = node.uniqueID, nodes.filter({ $0.uniqueID == id }).count == 1 {
                let digits = String(id, radix: 16)
                gpu.uuid = "GPU-" + String(repeating: "0", count: 16 - digits.count) + digits
            }
            gpu.isIntegrated = node.hasCPUs
            gpus.append(gpu)
        }
        if !gpus.isEmpty,
            let node = Self.deviceNode("/dev/kfd", system.text("/sys/class/kfd/kfd/dev"))
        {
            driverNodes[.amd] = [node]
        }
        return gpus
    }

    /// A node of the compute driver that is a GPU.
    struct KFDNode {
        let id: Int
        let folder: String
        let address: String
        let uniqueID: UInt64?
        let renderMinor: Int?
        /// It is an APU's.
        let hasCPUs: Bool
    }

    func kfdNodes(_ system: borrowing SystemRoot) -> [KFDNode] {
        var nodes: [KFDNode] = []
        for id in system.numbers(in: Self.kfdFolder, after: "") {
            let folder = Self.kfdFolder + "/\(id)/"
            let properties = Self.properties(system.text(folder + "properties"))
            guard properties["simd_count", default: 0] > 0 else { continue }
            let location = properties["location_id", default: 0]
            let minor = properties["drm_render_minor"]
            nodes.append(
                KFDNode(
                    id: id, folder: folder,
                    address: Self.pciAddress(properties["domain", default: 0], location),
                    uniqueID: properties["unique_id"].flatMap { $0 == 0 ? nil : $0 },
                    renderMinor: minor.flatMap { $0 >= 128 ? Int($0) : nil },
                    hasCPUs: properties["cpu_cores_count", default: 0] > 0))
        }
        return nodes
    }

    /// `name value` lines.
    static func properties(_ text: String?) -> [String: UInt64] {
        let pairs = (text ?? "").split(separator: "\n").compactMap { line -> (String, UInt64)? in
            let words = line.split(separator: " ")
            guard words.count == 2, let value = UInt64(words[1]) else { return nil }
            return (String(words[0]), value)
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Bus, device and function as the PCI specification packs them.
    private static func pciAddress(_ domain: UInt64, _ location: UInt64) -> String {
        func hex(_ value: UInt64, _ digits: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        return hex(domain, 4) + ":" + hex(location >> 8 & 0xFF, 2) + ":"
            + hex(location >> 3 & 0x1F, 2) + ".\(location & 7)"
    }
}
