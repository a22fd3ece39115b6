import JobModel

/// From a snapshot to a plan. Its cost grows with jobs, nodes and what it places, never with the number of queued tasks.
public struct Scheduler {
    private var nodes: [ClusterSnapshot.Node]
    private let lanes: [DemandID: [ClusterSnapshot.Lane]]
    private var headroom: [JobID: Int]
    private struct Need: Hashable {
        var request: ResourceRequest
        var ports: [PortMapping]
    }
    /// Needs that found no room. What is free only shrinks while a plan is made, so they never will in this one.
    private var refused: Set<Need> = []
    /// Nodes kept free for somebody who was passed by too often.
    private var reserved: Set<String> = []
    private var plan = Plan()

    public static func plan(_ snapshot: ClusterSnapshot) -> Plan {
        var scheduler = Scheduler(snapshot)
        for demand in snapshot.demands where demand.ready > 0 { scheduler.serve(demand) }
        return scheduler.plan
    }

    private init(_ snapshot: ClusterSnapshot) {
        nodes = snapshot.nodes
        lanes = Dictionary(grouping: snapshot.lanes, by: \.demand)
        headroom = snapshot.headroom
    }

    private mutating func serve(_ demand: ClusterSnapshot.Demand) {
        let first = plan.openings.count
        var ready = demand.ready
        while ready > 0, headroom[demand.id.job] != 0, let placement = place(demand) {
            plan.openings.append(
                Plan.Opening(demand: demand.id, placement: placement, tasks: 1))
            headroom[demand.id.job]? -= 1
            ready -= 1
        }
        if ready > 0, demand.depth > 1 { ready = fill(demand, ready, from: first) }
        guard ready == demand.ready else { return }
        let reason = reason(demand)
        plan.waits[demand.id.job] = reason
        if reason == .busy, demand.reserves { reserve(demand.request) }
    }

    /// The best placement on any node, taken; nil where there is none now.
    private mutating func place(_ demand: ClusterSnapshot.Demand) -> Placement? {
        let request = demand.request
        let need = Need(request: request, ports: demand.ports)
        guard !refused.contains(need) else { return nil }
        var best: (place: Int, fit: NodeResources.Fit)?
        for place in nodes.indices
        where nodes[place].acceptsWork && !reserved.contains(nodes[place].name)
            && nodes[place].resources.holder(of: demand.ports) == nil
        {
            guard let fit = nodes[place].resources.fit(request, node: nodes[place].name) else {
                continue
            }
            if let known = best, !isBetter((place, fit), than: known, request) { continue }
            best = (place, fit)
        }
        guard let best else {
            refused.insert(need)
            return nil
        }
        _ = nodes[best.place].resources.take(
            best.fit.placement, memory: request.memory ?? 0, ports: demand.ports, of: demand.id.job)
        return best.fit.placement
    }

    /// Fewer NUMA nodes; then leaving GPUs to those who want them; then the tighter fit.
    private func isBetter(
        _ a: (place: Int, fit: NodeResources.Fit), than b: (place: Int, fit: NodeResources.Fit),
        _ request: ResourceRequest
    ) -> Bool {
        func wastesGPUs(_ place: Int) -> Int {
            request.gpus.count == 0 && nodes[place].resources.freeGPUCount > 0 ? 1 : 0
        }
        return (a.fit.span, wastesGPUs(a.place), a.fit.leftover)
            < (b.fit.span, wastesGPUs(b.place), b.fit.leftover)
    }

    /// Fills the demand's lanes up to its depth, evenly; a lane that is still half full is left alone, so that tasks travel in
    /// batches. Returns how many stay ready.
    private mutating func fill(_ demand: ClusterSnapshot.Demand, _ ready: Int, from first: Int)
        -> Int
    {
        let standing = lanes[demand.id, default: []].filter { lane in
            !lane.isStuck && !reserved.contains(lane.node)
                && nodes.contains { $0.name == lane.node && $0.acceptsWork }
        }
        let openings = first..<plan.openings.count
        let total = standing.count + openings.count
        guard total > 0 else { return ready }
        let held = standing.reduce(openings.count) { $0 + $1.depth }
        let target = min(demand.depth, (held + ready + total - 1) / total)
        var left = ready
        for place in openings {
            let more = min(target - 1, left)
            plan.openings[place].tasks += max(0, more)
            left -= max(0, more)
        }
        for lane in standing where lane.depth <= target / 2 {
            let more = min(target - lane.depth, left)
            guard more > 0 else { continue }
            plan.extensions.append(
                Plan.Extension(lane: lane.id, demand: demand.id, tasks: more))
            left -= more
        }
        return left
    }

    private mutating func reserve(_ request: ResourceRequest) {
        let able = nodes.filter { $0.acceptsWork && $0.resources.couldFit(request) }
        let best = able.max { $0.resources.freeCPUCount < $1.resources.freeCPUCount }
        if let best { reserved.insert(best.name) }
    }

    private func reason(_ demand: ClusterSnapshot.Demand) -> WaitReason {
        guard !nodes.isEmpty else { return .noNode }
        if let shortage = shortage(demand.request) { return .tooLarge(shortage) }
        guard nodes.contains(where: \.acceptsWork) else { return .noNode }
        if headroom[demand.id.job] == 0 { return .parallelLimit }
        return heldPort(demand) ?? .busy
    }

    /// That a port is all that is missing.
    private func heldPort(_ demand: ClusterSnapshot.Demand) -> WaitReason? {
        guard !demand.ports.isEmpty else { return nil }
        for node in nodes where node.acceptsWork {
            if let holder = node.resources.holder(of: demand.ports),
                node.resources.fit(demand.request, node: node.name) != nil
            {
                return .portHeld(holder.mapping.hostName, node: node.name, by: holder.job)
            }
        }
        return nil
    }
}

extension Scheduler {
    /// Why a request fits no node even when it is empty; nil where it does.
    private func shortage(_ request: ResourceRequest) -> String? {
        if nodes.contains(where: { $0.resources.couldFit(request) }) { return nil }
        func most<T: Comparable>(_ amount: (NodeResources) -> T) -> T? {
            nodes.map { amount($0.resources) }.max()
        }
        if let cpus = most(\.cpuCount), cpus < request.cpus {
            return "needs \(request.cpus) CPUs, the largest node has \(cpus)"
        }
        if let wanted = request.memory, let memory = most(\.memory), memory < wanted {
            return
                "needs \(ByteText.text(wanted)) of memory, the largest node has \(ByteText.text(memory))"
        }
        if let gpus = most(\.gpuCount), gpus < request.gpus.count {
            return "needs \(request.gpus.count) GPU\(request.gpus.count == 1 ? "" : "s"), "
                + (gpus == 0 ? "no node has one" : "the node with most has \(gpus)")
        }
        return "needs \(request.cpus) CPUs, \(ByteText.text(request.memory ?? 0)) of memory and "
            + "\(request.gpus.count) GPUs together, no node has all of them"
    }
}
