import DequeModule
import JobModel

extension ServerState {
    /// Plans, and carries the plan out on the state.
    mutating func dispatch(_ now: Timestamp) {
        guard heldReason == nil, pool.accepting > 0 else { return }
        reserve(now)
        let work = work(of: active, now)
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
        for id in ids {
            // In place: a job is large to copy.
            guard let place = jobs.index(forKey: id), jobs.values[place].readyCount > 0,
                jobs.values[place].isRunnable
            else { continue }
            let share = jobs.values[place].share.share(of: capacity, now)
            for var demand in jobs.values[place].demands {
                demand.share = share
                demand.step = Usage(demand.request).share(of: capacity)
                work.demands.append(demand)
            }
            if jobs.values[place].laneDepth > 1 {
                work.lanes += standingLanes(of: jobs.values[place], now)
            }
            if let parallel = jobs.values[place].spec.limits.parallel {
                work.headroom[id] = max(0, parallel - jobs.values[place].lanes.count)
            }
        }
        return work
    }

    private func standingLanes(of job: JobRecord, _ now: Timestamp) -> [ClusterSnapshot.Lane] {
        job.lanes.sorted().compactMap { id in
            lanes[id].map { lane in
                ClusterSnapshot.Lane(
                    id: id, demand: lane.demand, node: lane.placement.node,
                    depth: lane.tasks.count, isStuck: isStuck(lane, now))
            }
        }
    }

    private mutating func open(_ opening: Plan.Opening, _ now: Timestamp) {
        let id = nextLane()
        // Tasks on several nodes are not here yet: specs that want them are refused.
        for (other, held) in zip(opening.others, opening.reservations.dropFirst()) {
            pool.give(other, held)
        }
        guard let reservation = opening.reservations.first else { return }
        nodes[opening.placement.node]?.lanes.insert(id)
        lanes[id] = Lane(
            demand: opening.demand, placement: opening.placement, reservation: reservation,
            opened: now, tasks: [])
        jobs[opening.demand.job]?.lanes.insert(id)
        jobs[opening.demand.job]?.share.change(Usage(opening.placement), 1, now)
        send(opening.tasks, of: opening.demand, into: id)
        // The queue may have held fewer than it counted.
        if lanes[id]?.tasks.isEmpty == true { close(id, now) }
    }

    mutating func nextLane() -> LaneID {
        lastLane += 1
        return LaneID(lastLane)
    }

    private mutating func send(_ count: Int, of demand: DemandID, into lane: LaneID) {
        guard let job = jobs.index(forKey: demand.job), let placement = lanes[lane]?.placement
        else { return }
        for _ in 0..<count {
            guard let index = jobs.values[job].takeReady(demand.memory) else { return }
            let number = jobs.values[job].attempt(of: index) + 1
            if number > 1 {
                jobs.values[job].history[index, default: JobRecord.History(attempt: number)]
                    .attempt = number
            }
            jobs.values[job].tasks[index] = .dispatched
            jobs.values[job].tasks.setRow(index)
            jobs.values[job].live[index] = JobRecord.Live(attempt: number, lane: lane)
            lanes[lane]?.tasks.append(index)
            let attempt = AttemptID(task: TaskID(job: demand.job, index: index), number: number)
            let dispatch = Dispatch(attempt: attempt, placement: placement, memory: demand.memory)
            outbox.tasks.append(.dispatched(dispatch))
            outbox.dispatches[placement.node, default: []].append(dispatch)
        }
        outbox.connections[placement.node] = nodes[placement.node]?.connection
        outbox.changed.insert(demand.job)
    }

    /// A task has left its lane; an empty lane gives its placement back.
    mutating func leave(_ lane: LaneID, _ index: Int, _ now: Timestamp) {
        guard let place = lanes[lane]?.tasks.firstIndex(of: index) else { return }
        lanes[lane]?.tasks.remove(at: place)
        lanes[lane]?.started = now
        if lanes[lane]?.tasks.isEmpty == true { close(lane, now) }
    }

    private mutating func close(_ id: LaneID, _ now: Timestamp) {
        guard let lane = lanes.removeValue(forKey: id) else { return }
        jobs[lane.demand.job]?.lanes.remove(id)
        jobs[lane.demand.job]?.share.change(Usage(lane.placement), -1, now)
        nodes[lane.placement.node]?.lanes.remove(id)
        pool.give(lane.placement, lane.reservation)
    }
}

extension ServerState.Node {
    var acceptsWork: Bool { isConnected && heldReason == nil }
}

extension JobRecord {
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
            demands[demands.count - 1].excluded = excluded.mapValues(\.reason)
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
    /// do not wait for one another, so theirs are never sent ahead.
    var laneDepth: Int {
        guard spec.resources.cpus > 0, let meanDuration else { return 1 }
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
