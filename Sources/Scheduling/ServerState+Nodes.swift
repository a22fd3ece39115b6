import JobModel

extension ServerState {
    /// A hello decides about everything that was sent to the node: what it has goes on, what it has not comes back.
    mutating func connect(_ name: String, _ hello: NodeHello, _ now: Timestamp) {
        let known = nodes[name]?.incarnation
        // What is lost may have ended when it was last heard of.
        let lastHeard = nodes[name]?.silentSince ?? now
        adopt(name, hello)
        outbox.nodes.append((name, hello.incarnation))
        // Ends first: what has ended is neither missing nor stale.
        for record in hello.exited { end(record, on: name, now) }
        let accepted = Set(hello.accepted)
        let remembers = known.map { hello.incarnation.remembers(since: $0) } ?? true
        bringBack(name, except: accepted, remembers: remembers, lastHeard: lastHeard, now)
        for record in hello.started { start(record, on: name, now) }
        tellAgain(name, accepted)
        for job in active { outbox.changed.insert(job) }
    }

    mutating func disconnect(_ name: String, _ now: Timestamp) {
        guard nodes[name]?.isConnected == true else { return }
        nodes[name]?.isConnected = false
        nodes[name]?.silentSince = now
        hold(name, nil)
        watchLease(name)
        for job in active { outbox.changed.insert(job) }
    }

    /// Takes all of a node's tasks back before it is told to end them.
    mutating func stop(_ name: String, _ now: Timestamp) {
        // One that cannot be told goes on with them.
        guard nodes[name]?.isConnected == true else { return }
        bringBack(name, except: [], remembers: true, isStopping: true, lastHeard: now, now)
        hold(name, "it is being stopped")
    }

    /// - Parameter reason: why the node takes no work; nil where nothing keeps it from that but its connection.
    mutating func hold(_ name: String, _ reason: String?) {
        nodes[name]?.heldReason = reason
        openOrClose(name)
    }

    mutating func openOrClose(_ name: String) {
        pool.set(name, acceptsWork: nodes[name]?.acceptsWork == true)
    }

    private mutating func adopt(_ name: String, _ hello: NodeHello) {
        var node = nodes[name] ?? Node(inventory: hello.inventory)
        node.isConnected = true
        node.connection += 1
        node.heldReason = nil
        node.silentSince = nil
        node.incarnation = hello.incarnation
        node.inventory = hello.inventory
        nodes[name] = node
        leases[name] = nil
        renew(name)
    }

    /// Offers what the node has now, with its lanes laid anew onto that.
    mutating func renew(_ name: String) {
        guard let node = nodes[name] else { return }
        pool.set(name, node.offer, acceptsWork: node.acceptsWork)
        for id in node.lanes.sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let lane = lanes[id] else { continue }
            let spec = jobs[lane.demand.job]?.spec
            let memory = lane.demand.memory ?? spec?.resources.memory ?? 0
            lanes[id] = Lane(
                demand: lane.demand, placement: lane.placement,
                reservation: pool.take(
                    lane.placement, memory: memory, ports: spec?.network.fixedPorts ?? [],
                    exclusive: spec?.resources.exclusive == true, of: lane.demand.job)
                    ?? lane.reservation,
                opened: lane.opened, started: lane.started, tasks: lane.tasks)
        }
        for gpu in node.closedGPUs.keys.sorted() { pool.closeGPU(gpu, of: name) }
        countCapacity()
    }

    mutating func countCapacity() {
        capacity = nodes.values.reduce(Usage()) { $0 + Usage($1.inventory) }
    }

    /// Attempts that were sent and that the node does not have: a node that remembers never started them; otherwise they
    /// are lost.
    private mutating func bringBack(
        _ name: String, except accepted: Set<AttemptID>, remembers: Bool, isStopping: Bool = false,
        lastHeard: Timestamp, _ now: Timestamp
    ) {
        for id in (nodes[name]?.lanes ?? []).sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let lane = lanes[id] else { continue }
            for index in lane.tasks {
                let task = TaskID(job: lane.demand.job, index: index)
                guard let live = jobs[task.job]?.live[index] else { continue }
                let attempt = AttemptID(task: task, number: live.attempt)
                if accepted.contains(attempt) { continue }
                if isStopping || remembers && live.started(in: id) == nil {
                    takeBack(attempt, live, from: id, now)
                } else {
                    lose(attempt, live, on: name, Self.restarted, at: lastHeard, now)
                }
            }
        }
    }

    private static let restarted = "the node or its launcher was restarted"

    /// It never started there, or does not count.
    private mutating func takeBack(
        _ attempt: AttemptID, _ live: JobRecord.Live, from id: LaneID, _ now: Timestamp
    ) {
        if live.gang != nil, let node = lanes[id]?.placement.node {
            let record = ExitRecord(attempt: attempt, status: .neverStarted, ended: now)
            return endMember(record, on: node, now)
        }
        let node = lanes[id]?.placement.node
        leave(id, attempt.task.index, now)
        if live.stopping != nil, let node {
            let record = ExitRecord(attempt: attempt, status: .neverStarted, ended: now)
            return conclude(record, live, on: node, now)
        }
        jobs[attempt.task.job]?.live[attempt.task.index] = nil
        conclude(attempt, live.cancelRequested ? .final(.cancelled) : .requeue, nil, now)
    }

    /// No exit record will come of it.
    /// - Parameter ended: when it may have ended.
    mutating func lose(
        _ attempt: AttemptID, _ live: JobRecord.Live, on node: String, _ reason: String,
        at ended: Timestamp, _ now: Timestamp
    ) {
        var record = ExitRecord(attempt: attempt, status: .lost(reason), ended: ended)
        if let gang = live.gang {
            record.started = gang.rank(on: node).flatMap { gang.members[$0].started }
            return endMember(record, on: node, now)
        }
        record.started = live.started
        leave(live.lane, attempt.task.index, now)
        conclude(record, live, on: node, now)
    }

    /// A new agent learns again what belongs to the attempts that it has, and what is to be stopped.
    private mutating func tellAgain(_ name: String, _ accepted: Set<AttemptID>) {
        for attempt in accepted.sorted(by: { $0.task < $1.task }) {
            guard let live = jobs[attempt.task.job]?.live[attempt.task.index],
                let dispatch = dispatch(attempt, live, on: name)
            else {
                outbox.cancels[name, default: []].append(attempt)
                // One that ended while nobody knew its job would otherwise be kept for ever.
                outbox.acknowledged[name, default: []].append(attempt)
                continue
            }
            jobs[attempt.task.job]?.live[attempt.task.index]?.recalled = false
            tell(dispatch)
            tellHold(attempt, name)
            let withdrawn = isWithdrawn(live, from: name)
            if withdrawn.cancelled { outbox.later.append(.cancel(node: name, [attempt])) }
            if withdrawn.recalled {
                jobs[attempt.task.job]?.live[attempt.task.index]?.recalled = true
                outbox.later.append(.recall(node: name, [attempt]))
            }
        }
    }

    /// What a node has been told of an attempt; nil where it has no part in it, or no longer.
    func dispatch(_ attempt: AttemptID, _ live: JobRecord.Live, on name: String)
        -> Dispatch?
    {
        guard live.attempt == attempt.number else { return nil }
        if let gang = live.gang {
            guard let rank = gang.rank(on: name), gang.members[rank].end == nil else { return nil }
            let memory = lanes[gang.members[rank].lane]?.demand.memory
            var dispatch = dispatch(attempt, of: gang, rank, memory: memory)
            if let told = live.told { dispatch.time = told }
            return dispatch
        }
        guard let lane = lanes[live.lane], lane.placement.node == name else { return nil }
        return Dispatch(
            attempt: attempt, placement: lane.placement, memory: lane.demand.memory,
            time: live.told ?? time(of: attempt.task))
    }
}

extension JobRecord.Live {
    /// When the part of it that a lane holds began; nil where it is not known to have.
    func started(in lane: LaneID) -> Timestamp? {
        guard let gang else { return started }
        return gang.members.first { $0.lane == lane }?.started
    }
}
