internal import JobModel

// NUMA nodes: /sys/devices/system/node, Documentation/ABI/stable/sysfs-devices-node.
extension NodeTopology {
    mutating func readNUMANodes(_ system: borrowing SystemRoot) {
        let folder = "/sys/devices/system/node"
        let online = Set(cpus.online)
        // Those that are possible have directories in old captures.
        let isThere = system.cpus(folder + "/online").map(Set.init)
        for id in system.numbers(in: folder, after: "node") where isThere?.contains(id) ?? true {
            let own = folder + "/node\(id)/"
            let list =
                system.cpus(own + "cpulist", mask: own + "cpumap") ?? []
            numaNodes.append(
                NUMANode(
                    id: id, cpus: list.filter(online.contains),
                    memory: system.text(own + "meminfo").map(Self.memory) ?? 0,
                    distances: Self.distances(system.text(own + "distance"))))
        }
        // Rows may be those of all nodes that a capture left out.
        let isWhole = numaNodes.allSatisfy { $0.distances.count == numaNodes.count }
        if !isWhole { for index in numaNodes.indices { numaNodes[index].distances = [] } }
        // Kernels without CONFIG_NUMA have no such directory.
        if numaNodes.isEmpty {
            let memory = system.text("/proc/meminfo").map(Self.memory) ?? 0
            numaNodes = [NUMANode(id: 0, cpus: cpus.online, memory: memory, distances: [])]
        }
        let node = Dictionary(
            numaNodes.flatMap { node in node.cpus.map { ($0, node.id) } },
            uniquingKeysWith: { first, _ in first })
        for index in cores.indices { cores[index].numaNode = node[cores[index].cpus[0]] }
    }

    private static func distances(_ text: String?) -> [Int] {
        text?.split(separator: " ").compactMap { Int($0) } ?? []
    }

    /// `Node 0 MemTotal: 1234 kB` or `MemTotal: 1234 kB` → bytes.
    private static func memory(_ text: String) -> Int64 {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: "MemTotal:"), at + 1 < words.count else { continue }
            return (Int64(words[at + 1]) ?? 0) * 1024
        }
        return 0
    }

    /// The node whose CPUs are nearest to a device: its own, or the only one that has any of the CPUs said to be local.
    func numaNode(number: Int?, localCPUs: [Int]?) -> Int? {
        if let number, number >= 0, numaNodes.contains(where: { $0.id == number }) { return number }
        guard let localCPUs else { return nil }
        let local = Set(localCPUs)
        let near = numaNodes.filter { !local.isDisjoint(with: $0.cpus) }
        return near.count == 1 ? near[0].id : nil
    }
}
