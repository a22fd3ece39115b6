import JobModel

@testable import Scheduling

/// Inventories of machines as one meets them.
enum Machine {
    enum Links {
        case unknown
        /// Every two by a switch, this many lanes each.
        case nvlink(Int)
        /// 0–1, 2–3, … by this many lanes; others as PCIe has it.
        case pairs(Int)
    }

    /// NUMA nodes of `cores` cores of `threads` threads, siblings numbered as Linux does on x86: all first threads, then all
    /// second ones.
    static func of(
        numa: Int, cores: Int, threads: Int = 1, l3: Int = 1, memory: Int64 = 64 << 30,
        gpus: Int = 0, links: Links = .unknown, labels: [String: String] = [:],
        _ change: (inout NodeInventory) -> Void = { _ in }
    ) -> NodeInventory {
        let all = numa * cores
        var inventory = NodeInventory(hostname: "n", numaNodes: [], labels: labels)
        for node in 0..<numa {
            let own = node * cores..<(node + 1) * cores
            inventory.numaNodes.append(
                NodeInventory.NUMANode(
                    id: node, cpus: (0..<threads).flatMap { t in own.map { $0 + t * all } },
                    memory: memory / Int64(numa),
                    distances: (0..<numa).map { other in
                        other == node ? 10 : other / 2 == node / 2 ? 12 : 32
                    }))
            for core in own {
                inventory.cores.append(
                    NodeInventory.Core(
                        cpus: (0..<threads).map { core + $0 * all },
                        l3: node * l3 + (core - own.lowerBound) * l3 / cores))
            }
        }
        inventory.gpus = (0..<gpus).map {
            NodeInventory.GPU(
                id: "GPU-\($0)", model: "NVIDIA H100 80GB HBM3", memory: 80 << 30,
                numaNode: $0 * numa / gpus)
        }
        inventory.gpuLinks = matrix(inventory.gpus, links)
        change(&inventory)
        return inventory
    }

    private static func matrix(_ gpus: [NodeInventory.GPU], _ links: Links) -> [[Int]] {
        if case .unknown = links { return [] }
        return gpus.indices.map { a in
            gpus.indices.map { b in
                if a == b { return 0 }
                switch links {
                case .nvlink(let lanes): return 100 * lanes
                case .pairs(let lanes) where a / 2 == b / 2: return 100 * lanes
                default: return gpus[a].numaNode == gpus[b].numaNode ? 30 : 10
                }
            }
        }
    }

    /// Two packages of 64 cores with two threads, four L3 caches each, and eight GPUs on one switch.
    static let dgx = of(
        numa: 2, cores: 64, threads: 2, l3: 8, memory: 2 << 40, gpus: 8, links: .nvlink(18))
}

extension NodeResources {
    func fit(_ request: ResourceRequest) -> Fit? { fit(request, node: "n") }

    /// Places and takes.
    mutating func place(_ request: ResourceRequest, job: Int64 = 1)
        -> (placement: Placement, held: Reservation)?
    {
        guard let fit = fit(request) else { return nil }
        let held = take(
            fit.placement, memory: request.memory ?? 0, exclusive: request.exclusive,
            of: JobID(job))
        return (fit.placement, held)
    }
}

extension ResourceRequest {
    static func of(
        _ cpus: Int, gpus: GPURequest = 0, memory: Int64? = nil, numa: NUMA = .local,
        _ change: (inout ResourceRequest) -> Void = { _ in }
    ) -> ResourceRequest {
        var request = ResourceRequest(cpus: cpus, memory: memory, gpus: gpus, numa: numa)
        change(&request)
        return request
    }
}
