internal import JobModel

// How near GPUs are to each other, with the weights of NVIDIA's go-gpuallocator (`NodeInventory.gpuLinks`).
extension NodeTopology {
    private static let direct = 100

    func links(_ system: borrowing SystemRoot, _ nvml: NVMLReport?) -> [[Int]] {
        guard gpus.count > 1 else { return [] }
        let xgmi = xgmiLinks(system)
        return gpus.indices.map { one in
            gpus.indices.map { other in
                guard one != other else { return 0 }
                let (a, b) = (gpus[one], gpus[other])
                let lanes =
                    nvml?.links(between: a.pciAddress, b.pciAddress)
                    ?? xgmi[Set([a.id, b.id]), default: 0]
                return pathWeight(a, b) + Self.direct * lanes
            }
        }
    }

    /// By the lowest common ancestor on the PCI tree.
    private func pathWeight(_ one: GPU, _ other: GPU) -> Int {
        // Partitions of one GPU.
        if one.pciAddress == other.pciAddress { return 50 }
        let a = pciDevice(one.pciAddress)?.bridges ?? []
        let b = pciDevice(other.pciAddress)?.bridges ?? []
        let shared = zip(a, b).prefix { $0 == $1 }.count
        switch shared {
        case 0:
            guard let node = one.numaNode, let otherNode = other.numaNode else {
                return numaNodes.filter({ !$0.cpus.isEmpty }).count > 1 ? 10 : 20
            }
            return node == otherNode ? 20 : 10
        case 1: return 30
        // A switch has one port below for each of them; more bridges are more switches.
        default: return max(a.count, b.count) - shared > 1 ? 40 : 50
        }
    }

    /// Links of AMD's Infinity Fabric between two GPUs, by their ids.
    private func xgmiLinks(_ system: borrowing SystemRoot) -> [Set<String>: Int] {
        let nodes = kfdNodes(system)
        var ids: [Int: String] = [:]
        for node in nodes {
            let partitions = nodes.filter { $0.address == node.address }
            let partition = partitions.firstIndex { $0.id == node.id }
            ids[node.id] =
                gpus.first {
                    $0.pciAddress == node.address && ($0.partition ?? 0) == partition
                }?.id
        }
        var counts: [Set<String>: Int] = [:]
        for node in nodes {
            for folder in ["io_links/", "p2p_links/"] {
                for link in system.numbers(in: node.folder + folder, after: "") {
                    let properties = Self.properties(
                        system.text(node.folder + folder + "\(link)/properties"))
                    // Both ends list it. HSA_IOLINK_TYPE_XGMI of amdkfd/kfd_crat.h.
                    guard properties["type"] == 11, let to = properties["node_to"].map(Int.init),
                        to > node.id, let one = ids[node.id], let other = ids[to]
                    else { continue }
                    counts[[one, other], default: 0] += 1
                }
            }
        }
        return counts
    }
}
