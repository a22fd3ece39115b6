import JobModel

extension NodeResources {
    /// What a placement holds beyond its CPUs, and whose it is.
    public struct Reservation: Sendable, Hashable {
        /// Bytes by the position of the NUMA node.
        var memory: [Int64]
        /// Thousandths by the position of the GPU.
        var gpus: [Int: Int16] = [:]
        var ports: [HeldPort] = []
        var isExclusive = false
        var job: JobID?
        var holding = Holding()
    }

    /// Takes what a placement names, as far as it is free: after a restart a node may have less than it had.
    mutating func take(
        _ placement: Placement, memory: Int64, ports: [PortMapping] = [], exclusive: Bool = false,
        of job: JobID
    ) -> Reservation {
        if placement.cpus.isEmpty { unpinned += 1 }
        eachThread(placement) { $0.takeThread($1, in: $2) }
        var held = Reservation(memory: takeMemory(memory, from: placement.numaNodes))
        held.gpus = takeGPUs(placement)
        held.ports = ports.map { HeldPort(mapping: $0, job: job) }
        heldPorts += held.ports
        held.isExclusive = exclusive
        if exclusive { isExclusive = true }
        held.job = job
        held.holding = Holding(
            tasks: 1, cpus: placement.cpus.count, memory: memory,
            gpus: held.gpus.values.reduce(0) { $0 + Int($1) })
        holdings[job, default: Holding()] += held.holding
        return held
    }

    mutating func give(_ placement: Placement, _ held: Reservation) {
        if placement.cpus.isEmpty { unpinned -= 1 }
        eachThread(placement) { $0.giveThread($1, in: $2) }
        for (place, bytes) in held.memory.enumerated() where numa.indices.contains(place) {
            numa[place].memory += bytes
        }
        for (place, share) in held.gpus
        where gpus.indices.contains(place) && !closedGPUs.contains(place) { gpus[place] += share }
        for port in held.ports {
            if let place = heldPorts.firstIndex(of: port) { heldPorts.remove(at: place) }
        }
        if held.isExclusive { isExclusive = false }
        guard let job = held.job, var holding = holdings[job] else { return }
        holding -= held.holding
        holdings[job] = holding.tasks > 0 ? holding : nil
    }

    /// Gives nothing more of a GPU, and takes nothing of it back.
    mutating func closeGPU(_ id: String) {
        guard let place = gpuIDs.firstIndex(of: id) else { return }
        closedGPUs.insert(place)
        gpus[place] = 0
    }

    private mutating func eachThread(
        _ placement: Placement, _ body: (inout NodeResources, _ thread: Int, _ domain: Int) -> Void
    ) {
        for cpu in placement.cpus {
            guard let thread = shape.position(of: cpu) else { continue }
            body(&self, thread, shape.domain(of: thread))
        }
    }

    private mutating func takeGPUs(_ placement: Placement) -> [Int: Int16] {
        var taken: [Int: Int16] = [:]
        let wanted = Int16(clamping: placement.gpuShare ?? Self.wholeGPU)
        for id in placement.gpus {
            guard let place = gpuIDs.firstIndex(of: id) else { continue }
            let share = min(wanted, gpus[place])
            gpus[place] -= share
            taken[place] = share
        }
        return taken
    }

    /// Evenly from the placement's own NUMA nodes as far as they have it, then from any.
    private mutating func takeMemory(_ amount: Int64, from preferred: [Int]) -> [Int64] {
        var shares = [Int64](repeating: 0, count: numa.count)
        var left = amount
        guard left > 0 else { return shares }
        for isMine in [true, false] where left > 0 {
            let places = numa.indices.filter {
                preferred.contains(shape.numaNodes[$0].id) == isMine
            }.sorted { (numa[$0].memory, $0) < (numa[$1].memory, $1) }
            // The scarcest first: what it lacks falls to those that have more.
            for (done, place) in places.enumerated() {
                let remaining = Int64(places.count - done)
                let share = min((left + remaining - 1) / remaining, numa[place].memory)
                numa[place].memory -= share
                shares[place] += share
                left -= share
            }
        }
        return shares
    }
}

extension NodeResources.Holding {
    static func += (a: inout Self, b: Self) {
        a.tasks += b.tasks
        a.cpus += b.cpus
        a.memory += b.memory
        a.gpus += b.gpus
    }

    static func -= (a: inout Self, b: Self) {
        a.tasks -= b.tasks
        a.cpus -= b.cpus
        a.memory -= b.memory
        a.gpus -= b.gpus
    }
}
