import JobModel

/// What keeps a task from one node.
struct Obstacles {
    private let demand: ClusterSnapshot.Demand
    private let need: NodeNeed
    private let node: NodePool.Node
    private var request: ResourceRequest { demand.request }
    private var room: NodeResources { node.resources }

    typealias Obstacle = Explanation.Obstacle
    typealias Holder = Explanation.Holder

    init(_ demand: ClusterSnapshot.Demand, _ need: NodeNeed, _ node: NodePool.Node) {
        self.demand = demand
        self.need = need
        self.node = node
    }

    /// At least one.
    var all: [Obstacle] {
        if room.cpuCount == 0, let work { return [work] }
        if let never { return [never] }
        let found = [work, exclusive, port, unpinned, cpus, memory, gpus].compactMap { $0 }
        return found.isEmpty ? [together] : found
    }

    private var never: Obstacle? {
        for (name, value) in request.labels.sorted(by: { $0.key < $1.key })
        where room.labels[name] != value {
            let own = room.labels[name].map { "it has \(name): \($0)" } ?? "it has no \(name)"
            return Obstacle(
                resource: .label, text: "needs \(name): \(value), \(own)", isForGood: true,
                holders: [])
        }
        guard !need.isPossible else { return nil }
        var alone = request
        alone.nodes = 1
        return Obstacle(
            resource: .node, text: Shortage.text(alone, [node]), isForGood: true, holders: [])
    }

    private var work: Obstacle? {
        if let exclusion = demand.excluded[node.name] {
            return Obstacle(
                resource: .node, text: exclusion.reason, isForGood: exclusion.until == nil,
                holders: [])
        }
        return node.acceptsWork ? nil : passing(.work, "takes no work now", [])
    }

    private var exclusive: Obstacle? {
        if room.isExclusive {
            return passing(.node, "a task has the node for itself", holders(tasks))
        }
        guard request.exclusive, !room.isIdle else { return nil }
        return passing(.node, "needs a node on which nothing runs", holders(tasks))
    }

    private var port: Obstacle? {
        guard let held = room.holder(of: demand.ports) else { return nil }
        return passing(
            .ports, "needs port \(held.mapping.hostName)",
            [Holder(job: held.job, text: "port \(held.mapping.hostName)")])
    }

    private var unpinned: Obstacle? {
        guard request.cpus == 0, room.unpinned >= NodeResources.unpinnedLimit else { return nil }
        return passing(
            .cpus, "has \(room.unpinned) tasks without CPUs of their own, and takes no more",
            holders(tasks))
    }

    private var cpus: Obstacle? {
        guard request.cpus > 0 else { return nil }
        let free = room.numa.map { Int(request.smt == .whole ? $0.whole : $0.threads) }
        let all = free.reduce(0, +)
        let unit =
            (request.cpus == 1 ? "CPU" : "CPUs")
            + (request.smt == .whole && room.shape.coreWidth > 1 ? " in whole cores" : "")
        if all < request.cpus {
            return passing(
                .cpus, "needs \(request.cpus) \(unit), \(all) of \(room.cpuCount) are free",
                holders { count($0.cpus, "CPU") })
        }
        let most = free.sorted(by: >).prefix(need.mostSpan).reduce(0, +)
        guard most < request.cpus, request.numa != .spread else { return nil }
        return passing(
            .cpus,
            "needs \(request.cpus) \(unit) on \(count(need.mostSpan, "NUMA node")), at most \(most) are free there",
            holders { count($0.cpus, "CPU") })
    }

    private var memory: Obstacle? {
        guard let wanted = request.memory, wanted > 0 else { return nil }
        let needed = "needs \(ByteText.text(wanted)) of memory"
        let holders = holders { $0.memory > 0 ? ByteText.text($0.memory) : nil }
        if room.freeMemory < wanted {
            let (free, all) = (ByteText.text(room.freeMemory), ByteText.text(room.memory))
            return passing(.memory, "\(needed), \(free) of \(all) is free", holders)
        }
        let most = room.numa.map(\.memory).sorted(by: >).prefix(need.mostSpan).reduce(0, +)
        guard most < wanted, request.cpus > 0, request.numa != .spread else { return nil }
        return passing(
            .memory,
            "\(needed) on \(count(need.mostSpan, "NUMA node")), at most \(ByteText.text(most)) is free there",
            holders)
    }

    private var gpus: Obstacle? {
        guard request.gpus.count > 0 else { return nil }
        let free = room.gpus(having: need.least, of: need.matching)
        guard free < request.gpus.count else { return nil }
        return passing(
            .gpus,
            "needs \(GPUText.text(request.gpus)), \(free) of \(need.matching.count) \(free == 1 ? "is" : "are") free",
            holders { $0.gpus > 0 ? GPUText.amount($0.gpus) : nil })
    }

    /// Enough of everything is free, and not where it would be of use.
    private var together: Obstacle {
        if !need.kept.isEmpty, NodeSearch.best(NodeNeed(request, on: room.shape), on: room) != nil {
            return passing(.cpus, "its free CPUs are kept for tasks that wait for its GPUs", [])
        }
        return passing(
            .node,
            "what is free does not lie together on \(count(max(1, need.mostSpan), "NUMA node"))",
            holders(tasks))
    }

    private func passing(_ resource: Obstacle.Resource, _ text: String, _ holders: [Holder])
        -> Obstacle
    {
        Obstacle(resource: resource, text: text, isForGood: false, holders: holders)
    }

    private func tasks(_ holding: NodeResources.Holding) -> String? { count(holding.tasks, "task") }

    private func holders(_ text: (NodeResources.Holding) -> String?) -> [Holder] {
        room.holdings.sorted { a, b in
            (-a.value.gpus, -a.value.cpus, -a.value.memory, a.key)
                < (-b.value.gpus, -b.value.cpus, -b.value.memory, b.key)
        }.compactMap { job, holding in text(holding).map { Holder(job: job, text: $0) } }
    }

    private func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
