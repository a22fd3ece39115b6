import JobModel

/// Machines to place on.
enum Machines {
    /// NUMA nodes of `cores` cores with two threads each, in `l3` caches, GPUs shared out evenly; all on one switch, or in pairs.
    static func node(
        numa: Int, cores: Int, l3: Int, gpus: Int, threads: Int = 2, inPairs: Bool = false
    ) -> NodeInventory {
        var inventory = NodeInventory(hostname: "n", numaNodes: [])
        let all = numa * cores
        for node in 0..<numa {
            let own = node * cores..<(node + 1) * cores
            inventory.numaNodes.append(
                NodeInventory.NUMANode(
                    id: node, cpus: (0..<threads).flatMap { t in own.map { $0 + t * all } },
                    memory: 256 << 30,
                    distances: (0..<numa).map { $0 == node ? 10 : $0 / 4 == node / 4 ? 12 : 32 }))
            for core in own {
                inventory.cores.append(
                    NodeInventory.Core(
                        cpus: (0..<threads).map { core + $0 * all },
                        l3: node * l3 + (core - own.lowerBound) * l3 / cores))
            }
        }
        inventory.gpus = (0..<gpus).map {
            NodeInventory.GPU(
                id: "GPU-\($0)", model: "NVIDIA H100", memory: 80 << 30, numaNode: $0 * numa / gpus)
        }
        inventory.gpuLinks = (0..<gpus).map { a in
            (0..<gpus).map { b in
                guard inPairs, a / 2 != b / 2 else { return 1800 }
                return inventory.gpus[a].numaNode == inventory.gpus[b].numaNode ? 30 : 10
            }
        }
        return inventory
    }

    /// 256 CPUs, eight GPUs.
    static let large = node(numa: 2, cores: 64, l3: 8, gpus: 8)
    /// 64 cores with one thread each, eight GPUs.
    static let usual = node(numa: 2, cores: 32, l3: 4, gpus: 8, threads: 1)
}

/// SplitMix64.
struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
