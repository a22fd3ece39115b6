public import JobModel

/// From what waits and what is free to a plan. Its cost grows with the demands and with what it places, hardly with nodes, and
/// never with the number of queued tasks.
public struct Scheduler {
    private var pool: NodePool
    private let lanes: [DemandID: [ClusterSnapshot.Lane]]
    private var headroom: [JobID: Int]
    /// The same of groups of jobs.
    private var groupRoom: [String: Int] = [:]
    private let waiting: [WaitingGPUs]
    /// Needs that found no room. What is free only shrinks while a plan is made, so they never will in this one.
    private var refused: [Refusal: Found] = [:]
    /// What is kept of nodes for those who were passed by.
    private var kept = KeptRoom()
    private let now: Timestamp
    /// Of each demand: what it got.
    private var openings: [[Int]] = []
    /// Tasks so far, and when those had their turn who found no room.
    private var placed = 0
    private var placedBefore: [JobID: Int] = [:]
    private var plan = Plan()

    /// Nodes that would have taken a part of a task, where it needs more of them.
    private typealias Found = Int

    private struct Refusal: Hashable {
        var need: Need
        /// Who leaves soon may use what others may not.
        var stay: Int64?
        /// Nodes that are no answer.
        var excluded: Set<String>
    }

    public static func plan(_ snapshot: ClusterSnapshot) -> Plan {
        var pool = NodePool(snapshot.nodes)
        return plan(
            snapshot.demands, lanes: snapshot.lanes, headroom: snapshot.headroom, now: snapshot.now,
            on: &pool)
    }

    /// The same, in place: what the openings of the plan take is gone from the pool.
    public static func plan(
        _ demands: [ClusterSnapshot.Demand], lanes: [ClusterSnapshot.Lane] = [],
        headroom: [JobID: Int] = [:], now: Timestamp = Timestamp(milliseconds: 0),
        on pool: inout NodePool
    ) -> Plan {
        let waiting = WaitingGPUs.all(demands, headroom, mostGPUs: pool.mostGPUs)
        // Moved, not copied: with a second owner every change would copy all of it.
        var scheduler = Scheduler(NodePool(), lanes, headroom, waiting, now)
        swap(&scheduler.pool, &pool)
        defer { swap(&scheduler.pool, &pool) }
        scheduler.serve(demands)
        return scheduler.plan
    }

    private mutating func serve(_ demands: [ClusterSnapshot.Demand]) {
        openings = .init(repeating: [], count: demands.count)
        for group in demands.compactMap(\.group) { groupRoom[group.name] = group.room }
        let needs = demands.map(need)
        var turns = Turns(demands)
        while let turn = turns.next {
            if open(demands[turn], needs[turn], turn) {
                turns.grant()
            } else {
                finish(demands[turn], needs[turn], turn)
                turns.drop()
            }
        }
        for (job, before) in placedBefore { plan.passed[job] = placed - before }
    }

    private init(
        _ pool: NodePool, _ lanes: [ClusterSnapshot.Lane], _ headroom: [JobID: Int],
        _ waiting: [WaitingGPUs], _ now: Timestamp
    ) {
        self.pool = pool
        self.lanes = Dictionary(grouping: lanes, by: \.demand)
        self.headroom = headroom
        self.waiting = waiting
        self.now = now
    }

    /// Places one more task of a demand, where there is one and room for it.
    private mutating func open(_ demand: ClusterSnapshot.Demand, _ need: Need, _ turn: Int) -> Bool
    {
        guard openings[turn].count < demand.ready, headroom[demand.id.job] != 0,
            demand.group.map({ groupRoom[$0.name] != 0 }) ?? true, place(demand, need)
        else { return false }
        openings[turn].append(plan.openings.count - 1)
        headroom[demand.id.job]? -= 1
        if let group = demand.group { groupRoom[group.name]? -= 1 }
        placed += 1
        return true
    }

    /// Sends the rest of a demand ahead, or says why nothing of it starts.
    private mutating func finish(
        _ demand: ClusterSnapshot.Demand, _ need: Need, _ turn: Int
    ) {
        var ready = demand.ready - openings[turn].count
        if ready > 0, demand.depth > 1 {
            let left = fill(demand, ready, openings[turn])
            placed += ready - left
            ready = left
        }
        guard ready == demand.ready else { return }
        let reason = reason(demand, need)
        plan.waits[demand.id.job] = reason
        guard reason.isForRoom else { return }
        placedBefore[demand.id.job] = placed
        guard let reservation = demand.reservation else { return }
        for room in reservation.rooms {
            guard let node = pool[room.node] else { continue }
            kept.keep(room, reservation, on: node.resources, now)
        }
    }

    private func need(_ demand: ClusterSnapshot.Demand) -> Need {
        pool.known(
            Need(
                request: demand.request, ports: demand.ports,
                waiting: demand.request.gpus.count == 0 ? waiting : []))
    }

    /// Opens a lane at the best place, on as many nodes as the task needs or on none; false where there is no room.
    private mutating func place(_ demand: ClusterSnapshot.Demand, _ need: Need) -> Bool {
        let refusal = refusal(demand, need)
        guard refused[refusal] == nil else { return false }
        var used = Set(demand.excluded.keys.compactMap { pool.place(of: $0) })
        var taken: [(placement: Placement, held: NodeResources.Reservation)] = []
        for _ in 0..<max(1, demand.request.nodes) {
            guard let fit = fit(demand, need, except: used),
                let held = take(fit.placement, demand),
                let node = pool.place(of: fit.placement.node)
            else {
                for (placement, held) in taken {
                    pool.give(placement, held)
                    kept.give(placement, held)
                }
                refused[refusal] = taken.count
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

    private func refusal(_ demand: ClusterSnapshot.Demand, _ need: Need) -> Refusal {
        Refusal(
            need: need, stay: kept.isEmpty ? nil : demand.stay,
            excluded: demand.excluded.isEmpty ? [] : Set(demand.excluded.keys))
    }

    /// The best place: of all nodes, or where room is kept and the task stays beyond the time from which it is, of the rest.
    private mutating func fit(
        _ demand: ClusterSnapshot.Demand, _ need: Need, except used: Set<Int>
    ) -> NodeResources.Fit? {
        guard !kept.isEmpty else { return pool.fit(need, except: used) }
        var closed = used
        var rooms: [Int: NodeResources] = [:]
        for place in kept.nodes(closedFor: demand.stay).compactMap({ pool.place(of: $0) }) {
            let rest = kept.rest(of: pool.nodes[place].name)
            if let rest, rest.has(demand.request.labels) {
                rooms[place] = rest
            } else {
                closed.insert(place)
            }
        }
        return pool.fit(need, except: closed, instead: rooms)
    }

    private mutating func take(_ placement: Placement, _ demand: ClusterSnapshot.Demand)
        -> NodeResources.Reservation?
    {
        kept.take(placement, demand)
        return pool.take(
            placement, memory: demand.request.memory ?? 0, ports: demand.ports,
            exclusive: demand.request.exclusive, of: demand.id.job)
    }

    /// Fills the demand's lanes up to its depth, evenly; a lane that is still half full is left alone, so that tasks travel in
    /// batches. Returns how many stay ready.
    private mutating func fill(_ demand: ClusterSnapshot.Demand, _ ready: Int, _ openings: [Int])
        -> Int
    {
        let standing = lanes[demand.id, default: []].filter { lane in
            guard !lane.isStuck, let place = pool.place(of: lane.node) else { return false }
            return kept.isPassable(lane.node, for: demand.stay) && pool.nodes[place].acceptsWork
        }
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
}

extension Scheduler {
    private mutating func reason(_ demand: ClusterSnapshot.Demand, _ need: Need) -> WaitReason {
        guard pool.nodes.contains(where: { $0.resources.cpuCount > 0 }) else { return .noNode }
        if !pool.isPossible(need) {
            // One that has not said yet what it has may have enough.
            let unknown = pool.nodes.first { $0.resources.cpuCount == 0 }
            return unknown.map { .unknown(node: $0.name) }
                ?? .tooLarge(Shortage.text(demand.request, pool.nodes))
        }
        guard pool.accepting > 0 else { return .noNode }
        if let reason = exclusion(demand) { return reason }
        if headroom[demand.id.job] == 0 { return .parallelLimit }
        if let group = demand.group, groupRoom[group.name] == 0 { return .groupLimit(group.name) }
        let open = pool.openCount(need)
        if open < demand.request.nodes {
            return .closed(open: open, needed: demand.request.nodes)
        }
        if let held = heldPort(demand) { return held }
        guard demand.request.nodes > 1 else { return .busy }
        return .fewNodes(
            free: refused[refusal(demand, need)] ?? 0, needed: demand.request.nodes)
    }

    /// That no node is left that could be given what it needs.
    private func exclusion(_ demand: ClusterSnapshot.Demand) -> WaitReason? {
        guard let first = demand.excluded.min(by: { $0.key < $1.key }) else { return nil }
        let able = pool.nodes.filter {
            $0.resources.has(demand.request.labels) && $0.resources.couldFit(demand.request)
        }
        if able.contains(where: { $0.acceptsWork && demand.excluded[$0.name] == nil }) {
            return nil
        }
        return .excluded(
            "node \(first.key): \(first.value.reason)",
            isForGood: able.allSatisfy { node in
                demand.excluded[node.name].map { $0.until == nil } ?? false
            })
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
            let share = max(1, request.gpus.share ?? request.gpus.count * 1000)
            let wanted = min(mostGPUs, (min(tasks, 1 << 20) * share + 999) / 1000)
            if let place = found.firstIndex(where: { $0.request == request }) {
                found[place].gpus = min(mostGPUs, found[place].gpus + wanted)
            } else if found.count < most {
                let count = request.gpus.count
                found.append(
                    WaitingGPUs(
                        request: request, cpus: (request.cpus + count - 1) / count,
                        sharers: min(tasks, max(1, 1000 / share)), gpus: wanted))
            }
        }
        return found
    }
}
