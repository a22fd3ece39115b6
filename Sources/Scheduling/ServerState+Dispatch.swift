import DequeModule
import JobModel

extension ServerState {
    /// Plans, and carries the plan out on the state.
    mutating func dispatch(_ now: Timestamp) {
        guard heldReason == nil, nodes.values.contains(where: \.acceptsWork) else { return }
        let snapshot = snapshot(of: active, now)
        guard !snapshot.demands.isEmpty else { return watchBalance(now) }
        let plan = Scheduler.plan(snapshot)
        for opening in plan.openings { open(opening) }
        for more in plan.extensions { send(more.tasks, of: more.demand, into: more.lane) }
        noteOvertaking(plan)
        watchBalance(now)
    }

    /// Ready work of these jobs, and what there is to do it with.
    func snapshot(of ids: [JobID], _ now: Timestamp) -> ClusterSnapshot {
        var demands: [ClusterSnapshot.Demand] = []
        var headroom: [JobID: Int] = [:]
        for id in ids {
            guard let job = jobs[id], job.isRunnable else { continue }
            demands += job.demands
            if let parallel = job.spec.limits.parallel {
                headroom[id] = max(0, parallel - job.lanes.count)
            }
        }
        let standing =
            demands.isEmpty
            ? []
            : lanes.map { id, lane in
                ClusterSnapshot.Lane(
                    id: id, demand: lane.demand, node: lane.placement.node, depth: lane.tasks.count,
                    isStuck: isStuck(lane, now))
            }.sorted { $0.id.rawValue < $1.id.rawValue }
        let known = nodes.sorted { $0.key < $1.key }.map { name, node in
            ClusterSnapshot.Node(
                name: name, resources: node.resources, acceptsWork: node.acceptsWork)
        }
        return ClusterSnapshot(
            nodes: known, lanes: standing, demands: demands, headroom: headroom)
    }

    private mutating func open(_ opening: Plan.Opening) {
        let id = nextLane()
        guard let node = nodes.index(forKey: opening.placement.node) else { return }
        let memory = opening.demand.memory ?? jobs[opening.demand.job]?.spec.resources.memory ?? 0
        let reservation = nodes.values[node].resources.take(
            opening.placement, memory: memory,
            ports: jobs[opening.demand.job]?.spec.network.fixedPorts ?? [],
            exclusive: jobs[opening.demand.job]?.spec.resources.exclusive == true,
            of: opening.demand.job)
        nodes.values[node].lanes.insert(id)
        lanes[id] = Lane(
            demand: opening.demand, placement: opening.placement, reservation: reservation,
            tasks: [])
        jobs[opening.demand.job]?.lanes.append(id)
        send(opening.tasks, of: opening.demand, into: id)
        // The queue may have held fewer than it counted.
        if lanes[id]?.tasks.isEmpty == true { close(id) }
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
    mutating func leave(_ lane: LaneID, _ index: Int) {
        guard let place = lanes[lane]?.tasks.firstIndex(of: index) else { return }
        lanes[lane]?.tasks.remove(at: place)
        if lanes[lane]?.tasks.isEmpty == true { close(lane) }
    }

    private mutating func close(_ id: LaneID) {
        guard let lane = lanes.removeValue(forKey: id) else { return }
        jobs[lane.demand.job]?.lanes.removeAll { $0 == id }
        guard let node = nodes.index(forKey: lane.placement.node) else { return }
        nodes.values[node].lanes.remove(id)
        nodes.values[node].resources.give(lane.placement, lane.reservation)
    }

    /// Counts how often a job that found no room was passed by.
    private mutating func noteOvertaking(_ plan: Plan) {
        for opening in plan.openings { jobs[opening.demand.job]?.overtaken = 0 }
        guard !plan.waits.isEmpty else { return }
        for (id, reason) in plan.waits where reason == .busy {
            let passed =
                plan.openings.lazy.filter { $0.demand.job > id }.reduce(0) { $0 + $1.tasks }
                + plan.extensions.lazy.filter { $0.demand.job > id }.reduce(0) { $0 + $1.tasks }
            jobs[id]?.overtaken += passed
        }
    }
}

extension ServerState.Node {
    var acceptsWork: Bool { isConnected && heldReason == nil }
}

extension JobRecord {
    /// Tasks of later jobs that may pass one that waits for room, before a node is kept free for it.
    private static let patience = 64

    /// What is ready, by how much memory it needs.
    var demands: [ClusterSnapshot.Demand] {
        var demands: [ClusterSnapshot.Demand] = []
        func add(_ memory: Int64?, _ ready: Int) {
            guard ready > 0 else { return }
            var request = spec.resources
            if let memory { request.memory = memory }
            demands.append(
                ClusterSnapshot.Demand(
                    id: DemandID(job: id, memory: memory), request: request, ready: ready,
                    depth: laneDepth, reserves: overtaken >= Self.patience,
                    ports: spec.network.fixedPorts))
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
