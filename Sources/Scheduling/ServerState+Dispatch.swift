import DequeModule
import JobModel

extension ServerState {
    /// Plans, and carries the plan out on the state.
    mutating func dispatch(_ now: Timestamp) {
        guard heldReason == nil, pool.accepting > 0 else { return }
        reserve(now)
        let work = work(of: active, now)
        keepsRoom = work.demands.contains { $0.reservation != nil }
        guard !work.demands.isEmpty else { return watchBalance(now) }
        let plan = Scheduler.plan(
            work.demands, lanes: work.lanes, headroom: work.headroom, now: now, on: &pool)
        for opening in plan.openings { open(opening, now) }
        for more in plan.extensions { send(more.tasks, of: more.demand, into: more.lane) }
        noteOvertaking(plan)
        watchBalance(now)
    }

    /// Ready work of jobs, with the lanes that could have more of it.
    struct Work {
        var demands: [ClusterSnapshot.Demand] = []
        var lanes: [ClusterSnapshot.Lane] = []
        var headroom: [JobID: Int] = [:]
    }

    func work(of ids: [JobID], _ now: Timestamp) -> Work {
        var work = Work()
        let groups = groupRoom()
        for id in ids {
            // In place: a job is large to copy.
            guard let place = jobs.index(forKey: id), jobs.values[place].readyCount > 0,
                jobs.values[place].isRunnable
            else { continue }
            let share = jobs.values[place].share.share(of: capacity, now)
            for var demand in jobs.values[place].demands {
                demand.share = share
                demand.group = jobs.values[place].spec.group.map {
                    ClusterSnapshot.GroupRoom(name: $0.name, room: groups[$0.name] ?? 0)
                }
                demand.step =
                    (Usage(demand.request) * Double(demand.request.nodes)).share(of: capacity)
                work.demands.append(demand)
            }
            if jobs.values[place].laneDepth > 1 {
                work.lanes += standingLanes(of: jobs.values[place], now)
            }
            if let parallel = jobs.values[place].spec.limits.parallel {
                work.headroom[id] = max(0, parallel - jobs.values[place].placesInUse)
            }
        }
        return work
    }

    private func standingLanes(of job: JobRecord, _ now: Timestamp) -> [ClusterSnapshot.Lane] {
        let avoided = job.decisions.avoided ?? [:]
        // Where fewer may run at once than did, the lanes beyond come to their end.
        let most = job.spec.limits.parallel ?? job.lanes.count
        return job.lanes.sorted().prefix(most).compactMap { id in
            lanes[id].flatMap { lane in
                if avoided[lane.placement.node] != nil { return nil }
                if let closed = nodes[lane.placement.node]?.closedGPUs, !closed.isEmpty,
                    lane.placement.gpus.contains(where: { closed[$0] != nil })
                {
                    return nil
                }
                return ClusterSnapshot.Lane(
                    id: id, demand: lane.demand, node: lane.placement.node,
                    depth: lane.tasks.count, isStuck: isStuck(lane, now))
            }
        }
    }

    private mutating func open(_ opening: Plan.Opening, _ now: Timestamp) {
        guard opening.others.isEmpty else { return openGang(opening, now) }
        guard let reservation = opening.reservations.first else { return }
        let id = openLane(opening.demand, opening.placement, reservation, now)
        send(opening.tasks, of: opening.demand, into: id)
        // The queue may have held fewer than it counted.
        if lanes[id]?.tasks.isEmpty == true { close(id, now) }
    }

    mutating func openLane(
        _ demand: DemandID, _ placement: Placement, _ reservation: NodeResources.Reservation,
        _ now: Timestamp
    ) -> LaneID {
        lastLane += 1
        let id = LaneID(lastLane)
        lanes[id] = Lane(
            demand: demand, placement: placement, reservation: reservation, opened: now, tasks: [])
        nodes[placement.node]?.lanes.insert(id)
        jobs[demand.job]?.lanes.insert(id)
        jobs[demand.job]?.share.change(Usage(placement), 1, now)
        return id
    }

    private mutating func send(_ count: Int, of demand: DemandID, into lane: LaneID) {
        guard let placement = lanes[lane]?.placement else { return }
        for _ in 0..<count {
            guard let attempt = takeAttempt(of: demand, into: lane) else { return }
            let dispatch = Dispatch(
                attempt: attempt, placement: placement, memory: demand.memory,
                time: time(of: attempt.task))
            outbox.tasks.append(.dispatched(dispatch))
            tell(dispatch)
        }
    }

    /// The next ready task of a demand becomes an attempt in a lane; nil where none is left.
    mutating func takeAttempt(of demand: DemandID, into lane: LaneID) -> AttemptID? {
        guard let job = jobs.index(forKey: demand.job),
            let index = jobs.values[job].takeReady(demand.memory)
        else { return nil }
        let number = jobs.values[job].attempt(of: index) + 1
        if number > 1 {
            jobs.values[job].history[index, default: JobRecord.History(attempt: number)]
                .attempt = number
        }
        jobs.values[job].tasks[index] = .dispatched
        jobs.values[job].tasks.setRow(index)
        jobs.values[job].live[index] = JobRecord.Live(attempt: number, lane: lane)
        lanes[lane]?.tasks.append(index)
        outbox.changed.insert(demand.job)
        return AttemptID(task: TaskID(job: demand.job, index: index), number: number)
    }

    /// Sends an attempt to its node, on the connection that there is now.
    mutating func tell(_ dispatch: Dispatch) {
        let node = dispatch.placement.node
        outbox.dispatches[node, default: []].append(dispatch)
        outbox.connections[node] = nodes[node]?.connection
    }

    /// A task has left its lane; an empty lane gives its placement back.
    mutating func leave(_ lane: LaneID, _ index: Int, _ now: Timestamp) {
        guard let place = lanes[lane]?.tasks.firstIndex(of: index) else { return }
        lanes[lane]?.tasks.remove(at: place)
        lanes[lane]?.started = now
        guard let left = lanes[lane]?.tasks.count, left > 0 else { return close(lane, now) }
        // As full as the next plan would leave it.
        guard !needsPlan, let job = lanes[lane].flatMap({ jobs.index(forKey: $0.demand.job) }),
            jobs.values[job].readyCount > 0, left <= jobs.values[job].laneDepth / 2
        else { return }
        needsPlan = true
    }

    mutating func close(_ id: LaneID, _ now: Timestamp) {
        guard let lane = lanes.removeValue(forKey: id) else { return }
        needsPlan = true
        jobs[lane.demand.job]?.lanes.remove(id)
        jobs[lane.demand.job]?.share.change(Usage(lane.placement), -1, now)
        nodes[lane.placement.node]?.lanes.remove(id)
        pool.give(lane.placement, lane.reservation)
    }
}

extension ServerState.Node {
    var acceptsWork: Bool {
        isConnected && heldReason == nil && drain == nil && health.quarantine == nil
    }

    /// Why it takes no work though it may be connected, as a clause.
    var closedReason: String? {
        if let drain {
            return drain.reason.isEmpty ? "it is drained" : "it is drained: \(drain.reason)"
        }
        return health.quarantine.map { "it is in quarantine: \($0)" } ?? heldReason
    }

    /// What it has, with the labels that a person gave it.
    var offer: NodeInventory {
        var offer = inventory
        offer.labels.merge(spec?.labels ?? [:]) { $1 }
        return offer
    }
}

extension JobRecord {
    private var isOnSeveralNodes: Bool { spec.resources.nodes > 1 }

    /// Tasks that may run at once: what `limits.parallel` counts.
    var placesInUse: Int { isOnSeveralNodes ? live.count : lanes.count }

    /// Queued tasks that wait for nothing but room.
    var readyCount: Int {
        untouched + again.count + raised.values.reduce(0) { $0 + $1.count }
    }

    /// What is ready, by how much memory it needs.
    var demands: [ClusterSnapshot.Demand] {
        var demands: [ClusterSnapshot.Demand] = []
        func add(_ memory: Int64?, _ ready: Int) {
            guard ready > 0 else { return }
            var request = spec.resources
            if let memory { request.memory = memory }
            let demand = DemandID(job: id, memory: memory)
            demands.append(
                ClusterSnapshot.Demand(
                    id: demand, request: request, ready: ready, depth: laneDepth,
                    ports: spec.network.fixedPorts))
            demands[demands.count - 1].priority = spec.priority
            demands[demands.count - 1].duration = expectedDuration
            demands[demands.count - 1].excluded = everyExclusion
            if reservation?.demand == demand {
                demands[demands.count - 1].reservation = reservation
            }
        }
        add(nil, untouched + again.count)
        for (memory, waiting) in raised.sorted(by: { $0.key < $1.key }) {
            add(memory, waiting.count)
        }
        return demands
    }

    /// Tasks to keep in each lane: about 200 ms of work of the very short ones, at most 64; one beside the running one where the way
    /// to the head and back would be felt; the running one alone where it would not. Tasks without CPUs of their own
    /// do not wait for one another, and members of a task on several nodes wait for each other, so theirs are never sent ahead.
    var laneDepth: Int {
        guard spec.resources.cpus > 0, !isOnSeveralNodes, let meanDuration else { return 1 }
        if meanDuration < 50 { return min(64, max(4, Int(200 / max(meanDuration, 1)))) }
        return meanDuration < 5000 ? 2 : 1
    }

    /// The next task of a demand, or nil where its queue is used up.
    mutating func takeReady(_ memory: Int64?) -> Int? {
        if let memory {
            while let index = raised[memory]?.popFirst() {
                if raised[memory]?.isEmpty == true { raised[memory] = nil }
                if tasks[index] == .queued { return index }
            }
            return nil
        }
        while let index = again.popFirst() {
            if tasks[index] == .queued { return index }
        }
        while cursor < taskCount {
            defer { cursor += 1 }
            guard tasks[cursor] == .queued, !tasks.hasRow(cursor) else { continue }
            untouched -= 1
            return cursor
        }
        return nil
    }
}
