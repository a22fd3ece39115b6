public import JobModel
public import LinuxSystem

extension NodeTopology {
    /// Reads the machine below `root` (`/` is this one). `usable` keeps those CPUs alone: the affinity mask of the reader.
    /// A machine without NUMA directories is one node; nodes without usable CPUs are left out.
    public static func read(root: String = "/", usable: Set<Int>? = nil) throws(SystemError)
        -> NodeTopology
    {
        let base = root == "/" ? "" : root
        let online = CPUList.parse(try Files.text(base + "/sys/devices/system/cpu/online"))
        let cpus = online.filter { usable?.contains($0) ?? true }
        var nodes: [NUMANode] = []
        // Kernels without CONFIG_NUMA have no such directory.
        let names = (try? Files.names(in: base + "/sys/devices/system/node")) ?? []
        for id in names.compactMap({ $0.hasPrefix("node") ? Int($0.dropFirst(4)) : nil }).sorted() {
            let directory = base + "/sys/devices/system/node/node\(id)"
            let own = Set(CPUList.parse(try Files.text(directory + "/cpulist"))).intersection(cpus)
                .sorted()
            guard !own.isEmpty else { continue }
            nodes.append(
                NUMANode(
                    id: id, cpus: own,
                    memory: memory(try Files.text(directory + "/meminfo"), "MemTotal")))
        }
        if nodes.isEmpty {
            nodes = [
                NUMANode(
                    id: 0, cpus: cpus,
                    memory: memory(try Files.text(base + "/proc/meminfo"), "MemTotal"))
            ]
        }
        return NodeTopology(numaNodes: nodes, gpus: nvidiaGPUs(base))
    }

    /// `Node 0 MemTotal: 1234 kB` or `MemTotal: 1234 kB` → bytes.
    private static func memory(_ text: String, _ field: String) -> Int64 {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: field + ":"), at + 1 < words.count else { continue }
            return (Int64(words[at + 1]) ?? 0) * 1024
        }
        return 0
    }

    /// The driver's own list: works without NVML and without any toolkit.
    private static func nvidiaGPUs(_ base: String) -> [String] {
        let directory = base + "/proc/driver/nvidia/gpus"
        // No driver, no GPUs.
        let addresses = (try? Files.names(in: directory)) ?? []
        return addresses.sorted().compactMap { address in
            guard let text = try? Files.text(directory + "/\(address)/information") else {
                return nil
            }
            return text.split(separator: "\n").first { $0.hasPrefix("GPU UUID:") }?
                .split(whereSeparator: \.isWhitespace).last.map(String.init)
        }
    }

    public func inventory(hostname: String) -> NodeInventory {
        NodeInventory(
            hostname: hostname,
            numaNodes: numaNodes.map {
                NodeInventory.NUMANode(id: $0.id, cpus: $0.cpus, memory: $0.memory)
            }, gpus: gpus.map { NodeInventory.GPU(id: $0) })
    }
}

/// The kernel's list format, cpuset(7): `0-3,8,10-11`.
public enum CPUList {
    public static func parse(_ text: some StringProtocol) -> [Int] {
        text.split { $0 == "," || $0.isWhitespace }.flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }

    public static func text(_ cpus: [Int]) -> String {
        var parts: [String] = []
        var rest = cpus.sorted()[...]
        while let first = rest.first {
            var last = first
            rest = rest.dropFirst()
            while rest.first == last + 1 {
                last += 1
                rest = rest.dropFirst()
            }
            parts.append(first == last ? "\(first)" : "\(first)-\(last)")
        }
        return parts.joined(separator: ",")
    }
}
