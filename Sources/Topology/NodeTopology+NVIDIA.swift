internal import JobModel

// NVIDIA's GPUs, by what the kernel module says in /proc/driver: neither NVML nor any toolkit is needed.
extension NodeTopology {
    static let nvidiaFolder = "/proc/driver/nvidia"

    mutating func nvidiaGPUs(_ system: borrowing SystemRoot) -> [GPU] {
        let addresses = system.names(in: Self.nvidiaFolder + "/gpus").sorted()
        guard !addresses.isEmpty else { return [] }
        let majors = Self.characterMajors(system)
        driverNodes[.nvidia] = Self.nvidiaDriverNodes(majors)
        let capabilities = MIGCapabilities(system, major: majors["nvidia-caps"])
        var gpus: [GPU] = []
        for address in addresses {
            let fields = Self.fields(
                system.text(Self.nvidiaFolder + "/gpus/\(address)/information"))
            var gpu = gpu(.nvidia, at: address.lowercased())
            gpu.model = fields["Model"] ?? ""
            gpu.uuid = fields["GPU UUID"].flatMap { $0.hasPrefix("GPU-") ? $0 : nil }
            gpu.isExcluded = fields["GPU Excluded"] == "Yes"
            if let minor = fields["Device Minor"].flatMap({ Int($0) }) {
                gpu.deviceNodes = [
                    DeviceNode(
                        path: "/dev/nvidia\(minor)", major: Self.nvidiaMajor(majors), minor: minor)
                ]
                gpu.mig = capabilities.devices(ofMinor: minor, of: gpu.id)
                gpu.isPartitioned = !gpu.mig.isEmpty
            }
            gpus.append(gpu)
        }
        return gpus
    }

    /// `GPU UUID: \t GPU-…` lines.
    static func fields(_ text: String?) -> [String: String] {
        let pairs = (text ?? "").split(separator: "\n").compactMap { line -> (String, String)? in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            return (String(trimmed(parts[0])), String(trimmed(parts[1])))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace ?? false { text.removeFirst() }
        while text.last?.isWhitespace ?? false { text.removeLast() }
        return text
    }

    /// /proc/devices: the first list is that of character devices.
    static func characterMajors(_ system: borrowing SystemRoot) -> [String: Int] {
        var majors: [String: Int] = [:]
        for line in system.text("/proc/devices")?.split(separator: "\n") ?? [] {
            if line.hasPrefix("Block") { break }
            let words = line.split(separator: " ")
            guard words.count == 2, let major = Int(words[0]) else { continue }
            majors[String(words[1])] = major
        }
        return majors
    }

    /// 195 is registered (Documentation/admin-guide/devices.txt). The name is the newer drivers' since 550.40.
    private static func nvidiaMajor(_ majors: [String: Int]) -> Int {
        majors["nvidia"] ?? majors["nvidia-frontend"] ?? 195
    }

    private static func nvidiaDriverNodes(_ majors: [String: Int]) -> [DeviceNode] {
        let major = nvidiaMajor(majors)
        var nodes = [DeviceNode(path: "/dev/nvidiactl", major: major, minor: 255)]
        if majors["nvidia-modeset"] != nil {
            nodes.append(DeviceNode(path: "/dev/nvidia-modeset", major: major, minor: 254))
        }
        // Without the module for unified memory there is no CUDA.
        if let memory = majors["nvidia-uvm"] {
            nodes.append(DeviceNode(path: "/dev/nvidia-uvm", major: memory, minor: 0))
            nodes.append(DeviceNode(path: "/dev/nvidia-uvm-tools", major: memory, minor: 1))
        }
        return nodes
    }

    /// NUMA nodes that are a GPU's memory, where the processor reaches it coherently.
    mutating func markGPUMemory(_ system: borrowing SystemRoot) {
        for address in system.names(in: Self.nvidiaFolder + "/gpus").sorted() {
            let fields = Self.fields(
                system.text(Self.nvidiaFolder + "/gpus/\(address)/numa_status"))
            guard let id = fields["Node"].flatMap({ Int($0) }),
                let node = numaNodes.firstIndex(where: { $0.id == id }),
                let gpu = gpus.firstIndex(where: { $0.pciAddress == address.lowercased() })
            else { continue }
            numaNodes[node].gpu = gpus[gpu].pciAddress
            gpus[gpu].memory = gpus[gpu].memory ?? numaNodes[node].memory
        }
    }
}
