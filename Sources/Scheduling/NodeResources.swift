public import JobModel

/// What a node has and what of it is free.
public struct NodeResources: Sendable {
    struct NUMANode: Sendable {
        let id: Int
        let cpus: [Int]
        let memory: Int64
        /// Ascending.
        var freeCPUs: [Int]
        var freeMemory: Int64
    }

    /// What a placement holds beyond its CPUs and GPUs: memory by the position of the NUMA node.
    public struct Reservation: Sendable, Hashable {
        var memory: [Int64]
        var ports: [HeldPort] = []
    }

    /// A port of the node, and whose tasks have it.
    struct HeldPort: Sendable, Hashable {
        let mapping: PortMapping
        let job: JobID
    }

    /// Tasks that ask for no CPU (`cpus: 0`) which one node takes at once.
    public static let unpinnedLimit = 1000

    var numaNodes: [NUMANode]
    let gpus: [String]
    var freeGPUs: [String]
    var unpinned = 0
    var heldPorts: [HeldPort] = []

    public init(_ inventory: NodeInventory) {
        numaNodes = inventory.numaNodes.map {
            NUMANode(
                id: $0.id, cpus: $0.cpus.sorted(), memory: $0.memory, freeCPUs: $0.cpus.sorted(),
                freeMemory: $0.memory)
        }
        gpus = inventory.gpus.map(\.id)
        freeGPUs = gpus
    }

    public var cpuCount: Int { numaNodes.reduce(0) { $0 + $1.cpus.count } }
    public var freeCPUCount: Int { numaNodes.reduce(0) { $0 + $1.freeCPUs.count } }
    public var memory: Int64 { numaNodes.reduce(0) { $0 + $1.memory } }
    public var freeMemory: Int64 { numaNodes.reduce(0) { $0 + $1.freeMemory } }
    public var gpuCount: Int { gpus.count }
    public var freeGPUCount: Int { freeGPUs.count }

    /// The same node with nothing running on it.
    var emptied: NodeResources {
        var empty = self
        for place in numaNodes.indices {
            empty.numaNodes[place].freeCPUs = numaNodes[place].cpus
            empty.numaNodes[place].freeMemory = numaNodes[place].memory
        }
        empty.freeGPUs = gpus
        empty.unpinned = 0
        empty.heldPorts = []
        return empty
    }

    /// Takes what a placement names, as far as it is free: after a restart a node may have less than it had.
    mutating func take(
        _ placement: Placement, memory: Int64, ports: [PortMapping] = [], of job: JobID
    ) -> Reservation {
        if placement.cpus.isEmpty { unpinned += 1 }
        let cpus = Set(placement.cpus)
        for place in numaNodes.indices where !cpus.isEmpty {
            numaNodes[place].freeCPUs.removeAll { cpus.contains($0) }
        }
        freeGPUs.removeAll { placement.gpus.contains($0) }
        let held = ports.map { HeldPort(mapping: $0, job: job) }
        heldPorts += held
        return Reservation(
            memory: takeMemory(memory, from: placement.numaNodes), ports: held)
    }

    /// Who has one of these ports, or one that keeps others from it.
    func holder(of ports: [PortMapping]) -> HeldPort? {
        heldPorts.first { held in ports.contains { $0.conflicts(with: held.mapping) } }
    }

    /// From the placement's own NUMA nodes first, then from any.
    private mutating func takeMemory(_ amount: Int64, from preferred: [Int]) -> [Int64] {
        var shares = [Int64](repeating: 0, count: numaNodes.count)
        var left = amount
        for mine in [true, false] {
            for place in numaNodes.indices
            where left > 0 && preferred.contains(numaNodes[place].id) == mine {
                let share = min(left, numaNodes[place].freeMemory)
                numaNodes[place].freeMemory -= share
                shares[place] += share
                left -= share
            }
        }
        return shares
    }

    mutating func give(_ placement: Placement, _ reservation: Reservation) {
        if placement.cpus.isEmpty { unpinned -= 1 }
        let cpus = Set(placement.cpus)
        for place in numaNodes.indices {
            let returned = numaNodes[place].cpus.filter(cpus.contains)
            if !returned.isEmpty {
                numaNodes[place].freeCPUs = Set(numaNodes[place].freeCPUs + returned).sorted()
            }
            if reservation.memory.indices.contains(place) {
                numaNodes[place].freeMemory += reservation.memory[place]
            }
        }
        for port in reservation.ports {
            if let place = heldPorts.firstIndex(of: port) { heldPorts.remove(at: place) }
        }
        // In the node's own order, so that the first free one is always the same.
        let free = Set(freeGPUs + placement.gpus)
        if free.count != freeGPUs.count { freeGPUs = gpus.filter(free.contains) }
    }
}
