public import JobModel

/// From what waits and what is free to a plan. Its cost grows with the demands and with what it places, hardly with nodes, and
/// never with the number of queued tasks.
public struct Scheduler {
    private var pool: NodePool
    private let lanes: [DemandID: [ClusterSnapshot.Lane]]
    private var headroom: [JobID: Int]
    private let waiting: [WaitingGPUs]
    /// Needs that found no room. What is free only shrinks while a plan is made, so they never will in this one.
    private var refused: Set<Need> = []
    /// Nodes kept free for somebody who was passed by too often, by position.
    private var reserved: Set<Int> = []
    private var plan = Plan()

    public static func plan(_ snapshot: ClusterSnapshot) -> Plan {
        var pool = NodePool(snapshot.nodes)
        return plan(
            snapshot.demands, lanes: snapshot.lanes, headroom: snapshot.headroom, on: &pool)
    }

    /// The same, in place: what the openings of the plan take is gone from the pool.
    public static func plan(
        _ demands: [ClusterSnapshot.Demand], lanes: [ClusterSnapshot.Lane] = [],
        headroom: [JobID: Int] = [:], on pool: inout NodePool
    ) -> Plan {
        let waiting = WaitingGPUs.all(demands, headroom, mostGPUs: pool.mostGPUs)
        // Moved, not copied: with a second owner every change would copy all of it.
        var scheduler = Scheduler(NodePool(), lanes, headroom, waiting)
        swap(&scheduler.pool, &pool)
        defer { swap(&scheduler.pool, &pool) }
        for demand in demands where demand.ready > 0 { scheduler.serve(demand) }
        return scheduler.plan
    }

    private init(
        _ pool: NodePool, _ lanes: [ClusterSnapshot.Lane], _ headroom: [JobID: Int],
        _ waiting: [WaitingGPUs]
    ) {
        self.pool = pool
        self.lanes = Dictionary(grouping: lanes, by: \.demand)
        self.headroom = headroom
        self.waiting = waiting
    }

    private mutating func serve(_ demand: ClusterSnapshot.Demand) {
        let first = plan.openings.count
        let need = need(demand)
        var ready = demand.ready
        while ready > 0, headroom[demand.id.job] != 0, place(demand, need) {
            headroom[demand.id.job]? -= 1
            ready -= 1
        }
        if ready > 0, demand.depth > 1 { ready = fill(demand, ready, from: first) }
        guard ready == demand.ready else { return }
        let reason = reason(demand, need)
        plan.waits[demand.id.job] = reason
        if reason == .busy, demand.reserves { reserve(demand.request) }
    }

    private func need(_ demand: ClusterSnapshot.Demand) -> Need {
        pool.known(
            Need(
                request: demand.request, ports: demand.ports,
                waiting: demand.request.gpus.count == 0 ? waiting : []))
    }

    /// Opens a lane at the best place, on as many nodes as the task needs or on none; false where there is no room.
    private mutating func place(_ demand: ClusterSnapshot.Demand, _ need: Need) -> Bool {
        guard !refused.contains(need) else { return false }
        var used = reserved
        var taken: [(placement: Placement, held: NodeResources.Reservation)] = []
        for _ in 0..<max(1, demand.request.nodes) {
            guard let fit = pool.fit(need, except: used),
                let held = take(fit.placement, demand),
                let node = pool.place(of: fit.placement.node)
            else {
                for (placement, held) in taken { pool.give(placement, held) }
                refused.insert(need)
                return false
            }
            taken.append((fit.placement, held))
            used.insert(node)
        }
        plan.openings.append(
            Plan.Opening(
                demand: demand.id, placement: taken[0].placement, tasks: 1,
                others: taken.dropFirst().map(\.placement), reservations: taken.map(\.held)))
        return true
    }

    private mutating func take(_ placement: Placement, _ demand: ClusterSnapshot.Demand)
        -> NodeResources.Reservation?
    {
        pool.take(
            placement, memory: demand.request.memory ?? 0, ports: demand.ports,
            exclusive: demand.request.exclusive, of: demand.id.job)
    }

    /// Fills the demand's lanes up to its depth, evenly; a lane that is still half full is left alone, so that tasks travel in
    /// batches. Returns how many stay ready.
    private mutating func fill(_ demand: ClusterSnapshot.Demand, _ ready: Int, from first: Int)
        -> Int
    {
        let standing = lanes[demand.id, default: []].filter { lane in
            guard !lane.isStuck, let place = pool.place(of: lane.node) else { return false }
            return !reserved.contains(place) && pool.nodes[place].acceptsWork
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
        let able = pool.nodes.indices.filter { place in
            pool.nodes[place].acceptsWork && pool.nodes[place].resources.couldFit(request)
        }
        let best = able.max {
            pool.nodes[$0].resources.freeCPUCount < pool.nodes[$1].resources.freeCPUCount
        }
        if let best { reserved.insert(best) }
    }
}

extension Scheduler {
    private mutating func reason(_ demand: ClusterSnapshot.Demand, _ need: Need) -> WaitReason {
        guard pool.nodes.contains(where: { $0.resources.cpuCount > 0 }) else { return .noNode }
        if !pool.isPossible(need) { return .tooLarge(Shortage.text(demand.request, pool.nodes)) }
        guard pool.accepting > 0 else { return .noNode }
        if headroom[demand.id.job] == 0 { return .parallelLimit }
        return heldPort(demand) ?? .busy
    }

    /// That a port is all that is missing.
    private func heldPort(_ demand: ClusterSnapshot.Demand) -> WaitReason? {
        guard !demand.ports.isEmpty else { return nil }
        for node in pool.nodes where node.acceptsWork {
            if let holder = node.resources.holder(of: demand.ports),
                node.resources.fit(demand.request, node: node.name) != nil
            {
                return .portHeld(holder.mapping.hostName, node: node.name, by: holder.job)
            }
        }
        return nil
    }
}

extension WaitingGPUs {
    /// Kinds of GPU tasks that cores are kept for; of more, those that are served first.
    private static let most = 4

    static func all(
        _ demands: [ClusterSnapshot.Demand], _ headroom: [JobID: Int], mostGPUs: Int
    ) -> [WaitingGPUs] {
        var found: [WaitingGPUs] = []
        guard mostGPUs > 0 else { return found }
        for demand in demands {
            let request = demand.request
            let tasks = min(demand.ready, headroom[demand.id.job] ?? .max)
            guard request.gpus.count > 0, request.cpus > 0, tasks > 0 else { continue }
            let (gpus, cpus) = Self.perGPU(request)
            let wanted = min(mostGPUs, (min(tasks, 1 << 20) * gpus + 999) / 1000)
            if let place = found.firstIndex(where: { $0.request == request }) {
                found[place].gpus = min(mostGPUs, found[place].gpus + wanted)
            } else if found.count < most {
                found.append(WaitingGPUs(request: request, cpus: cpus, gpus: wanted))
            }
        }
        return found
    }

    /// Thousandths of GPUs that a task needs, and CPUs for each whole one.
    private static func perGPU(_ request: ResourceRequest) -> (gpus: Int, cpus: Int) {
        guard let share = request.gpus.share, share > 0 else {
            let count = request.gpus.count
            return (count * 1000, (request.cpus + count - 1) / count)
        }
        return (share, request.cpus * (1000 / share))
    }
}
