public import JobModel

extension NodeTopology {
    /// What of it can be given to tasks.
    public func inventory(hostname: String) -> NodeInventory {
        let usable = Set(cpus.usable)
        let homes = homeNodes()
        let nodes = homes.compactMap { home -> NodeInventory.NUMANode? in
            let own = home.cpus.filter(usable.contains).sorted()
            guard !own.isEmpty else { return nil }
            return NodeInventory.NUMANode(
                id: home.node.id, cpus: own, memory: home.node.memory, distances: [])
        }
        var inventory = NodeInventory(
            hostname: hostname, numaNodes: withDistances(nodes), cores: offeredCores(usable))
        let offered = offeredGPUs()
        inventory.gpus = offered.map { pair in
            var gpu = pair.gpu
            gpu.numaNode = gpu.numaNode.flatMap { id in
                homes.first { $0.node.id == id || $0.joined.contains(id) }?.node.id
            }
            return gpu
        }
        inventory.gpuLinks = links(among: offered.map(\.position))
        inventory.labels = labels(inventory.gpus)
        return inventory
    }

    /// The device files that a task needs with a GPU of the inventory: its own, those of the GPU that it is a part of, and those
    /// of its vendor's driver. Nil where no GPU has this id.
    public func deviceNodes(ofGPU id: String) -> [DeviceNode]? {
        for gpu in gpus {
            let driver = driverNodes[gpu.vendor] ?? []
            if gpu.id == id { return gpu.deviceNodes + driver }
            if let slice = gpu.mig.first(where: { $0.uuid == id }) {
                return gpu.deviceNodes + slice.deviceNodes + driver
            }
        }
        return nil
    }

    // MARK: NUMA nodes

    /// A node with the CPUs to which its memory is the nearest.
    private struct Home {
        let node: NUMANode
        var cpus: [Int]
        /// Nodes whose CPUs have none of their own.
        var joined: Set<Int> = []
    }

    /// Nodes of ordinary memory beside CPUs that tasks may use. CPUs whose node has none, or none that is allowed, go to the
    /// nearest; those of no node to the first.
    private func homeNodes() -> [Home] {
        let withMemory = numaNodes.filter {
            $0.memory > 0 && $0.isAllowed && $0.gpu == nil && !$0.cpus.isEmpty
        }
        // A cpuset may leave memory alone that no CPU is beside; the kernel gives it out all the same.
        let nodes = withMemory.isEmpty ? numaNodes.filter { !$0.cpus.isEmpty } : withMemory
        var homes = nodes.map { Home(node: $0, cpus: $0.cpus) }
        guard !homes.isEmpty else {
            return numaNodes.first.map { [Home(node: $0, cpus: cpus.online)] } ?? []
        }
        for other in numaNodes where !nodes.contains(where: { $0.id == other.id }) {
            let nearest = homes.indices.min {
                distance(other, homes[$0].node) < distance(other, homes[$1].node)
            }
            homes[nearest ?? 0].cpus += other.cpus
            homes[nearest ?? 0].joined.insert(other.id)
        }
        let placed = Set(numaNodes.flatMap(\.cpus))
        homes[0].cpus += cpus.online.filter { !placed.contains($0) }
        return homes
    }

    private func distance(_ one: NUMANode, _ other: NUMANode) -> Int {
        guard let position = numaNodes.firstIndex(where: { $0.id == other.id }),
            position < one.distances.count
        else { return .max }
        return one.distances[position]
    }

    private func withDistances(_ nodes: [NodeInventory.NUMANode]) -> [NodeInventory.NUMANode] {
        let own = nodes.compactMap { node in numaNodes.first { $0.id == node.id } }
        return zip(nodes, own).map { node, from in
            var node = node
            if !from.distances.isEmpty { node.distances = own.map { distance(from, $0) } }
            return node
        }
    }

    // MARK: Cores

    /// Cores without an L3 share one with those of their package, die and NUMA node, as a way to keep together.
    private func offeredCores(_ usable: Set<Int>) -> [NodeInventory.Core] {
        var stands: [[Int?]] = []
        return cores.compactMap { core in
            let own = core.cpus.filter(usable.contains)
            guard !own.isEmpty else { return nil }
            var domain = core.l3
            if domain == nil {
                let place = [core.package, core.die, core.numaNode]
                let stand = stands.firstIndex(of: place) ?? stands.count
                if stand == stands.count { stands.append(place) }
                domain = l3Domains.count + stand
            }
            return NodeInventory.Core(cpus: own, l3: domain ?? 0, kind: core.kind)
        }
    }

    // MARK: GPUs

    private typealias Offered = (gpu: NodeInventory.GPU, position: Int)

    /// Whole ones and MIG devices, with their GPU's position. Graphics within a processor count where nothing else is there.
    private func offeredGPUs() -> [Offered] {
        let sound = gpus.indices.filter { !gpus[$0].isExcluded }
        let discrete = sound.filter { !gpus[$0].isIntegrated }
        return (discrete.isEmpty ? sound : discrete).flatMap { position -> [Offered] in
            let gpu = gpus[position]
            if gpu.isPartitioned { return gpu.mig.map { (offer(gpu, $0), position) } }
            let whole = NodeInventory.GPU(
                id: gpu.id, vendor: gpu.vendor, model: gpu.model, memory: gpu.memory,
                numaNode: gpu.numaNode)
            return [(whole, position)]
        }
    }

    /// Without NVML no profile is known, and it is not to be taken for a whole GPU.
    private func offer(_ gpu: GPU, _ mig: MIGDevice) -> NodeInventory.GPU {
        NodeInventory.GPU(
            id: mig.uuid, vendor: gpu.vendor, model: gpu.model, memory: mig.memory,
            numaNode: gpu.numaNode, profile: mig.profile ?? "mig", parent: gpu.id)
    }

    /// MIG devices have no links of their own, and parts of one GPU are as near as can be without.
    private func links(among positions: [Int]) -> [[Int]] {
        guard positions.count > 1 else { return [] }
        return positions.enumerated().map { one, a in
            positions.enumerated().map { other, b in
                if one == other { return 0 }
                if a == b { return 50 }
                guard !gpus[a].isPartitioned, !gpus[b].isPartitioned else {
                    return gpuLinks[a][b] % 100
                }
                return gpuLinks[a][b]
            }
        }
    }

    // MARK: Labels

    private func labels(_ gpus: [NodeInventory.GPU]) -> [String: String] {
        var labels: [String: String] = [:]
        labels["arch"] = architecture
        labels["kernel"] = kernelRelease
        // One that all have, since a label has one value.
        let models = Set(gpus.map(\.model))
        if models.count == 1, let model = models.first, !model.isEmpty { labels["gpu"] = model }
        return labels
    }
}
