import JobModel

extension ServerState {
    /// Nodes that are looked at closely for a reservation: of more, those with most room free.
    private static let reservationNodes = 16
    /// Milliseconds at least between two reservations that are looked for on behalf of one job; of long tasks a 64th of their time.
    /// Where nobody knows how long they are, also when it was passed by twice as often.
    private static let reservationInterval: Int64 = 1000
    /// Tasks of other jobs that may pass one that waits, before a node is kept free for it without knowing until when.
    private static let patience = 64

    /// Jobs that found no room and were passed by get room reserved, at the earliest time at which it is expected.
    mutating func reserve(_ now: Timestamp) {
        for id in active {
            guard let place = jobs.index(forKey: id), jobs.values[place].overtaken > 0,
                jobs.values[place].readyCount > 0
            else { continue }
            if let reservation = jobs.values[place].reservation, isValid(reservation, now) {
                continue
            }
            let overtaken = jobs.values[place].overtaken
            let expected = jobs.values[place].expectedDuration
            let interval = max(Self.reservationInterval, (expected ?? 0) / 64)
            if let last = jobs.values[place].reservationSought,
                expected != nil || overtaken < 2 * last.overtaken,
                now.milliseconds - last.time.milliseconds < interval
            {
                continue
            }
            jobs.values[place].reservationSought = (now, overtaken)
            jobs.values[place].reservation = jobs.values[place].demands.first.flatMap {
                reservation(for: $0, passed: overtaken, now)
            }
        }
    }

    private func isValid(_ reservation: Reservation, _ now: Timestamp) -> Bool {
        for room in reservation.rooms where nodes[room.node]?.acceptsWork != true { return false }
        return reservation.start.map { now <= $0 } ?? true
    }

    private func reservation(
        for demand: ClusterSnapshot.Demand, passed: Int, _ now: Timestamp
    ) -> Reservation? {
        let able = roomiest(for: demand, now)
        let count = max(1, demand.request.nodes)
        var reservation = Reservation(
            demand: demand.id, rooms: [], memory: demand.request.memory ?? 0, made: now)
        if let best = earliest(demand, on: able, now) {
            reservation.start = best.start
            reservation.rooms = best.placements.map { .init(node: $0.node, placement: $0) }
        } else {
            guard passed >= Self.patience, able.count >= count else { return nil }
            reservation.rooms = able.prefix(count).map { .init(node: $0) }
        }
        return reservation
    }

    /// Where there will be room first, on as many nodes as the task needs.
    func earliest(_ demand: ClusterSnapshot.Demand, on names: [String], _ now: Timestamp) -> (
        start: Timestamp, placements: [Placement]
    )? {
        typealias Start = (start: Timestamp, placement: Placement)
        let count = max(1, demand.request.nodes)
        // Once for all lanes: a job is large to copy.
        var durations: [JobID: Int64] = [:]
        for id in active { durations[id] = jobs[id]?.expectedDuration }
        // The earliest so far, ascending.
        var best: [Start] = []
        for name in names {
            let latest = best.count == count ? best.last?.start : nil
            guard
                let found = earliestStart(demand.request, on: name, durations, before: latest, now)
            else { continue }
            let place = best.firstIndex { found.start < $0.start } ?? best.count
            best.insert(found, at: place)
            if best.count > count { best.removeLast() }
        }
        guard best.count == count, let last = best.last else { return nil }
        return (last.start, best.map(\.placement))
    }

    /// Nodes that could hold the request, those with most of what it wants free first.
    func roomiest(for demand: ClusterSnapshot.Demand, _ now: Timestamp) -> [String] {
        let request = demand.request
        let taken = reservedNodes(before: demand, now)
        // Nodes that are alike share a shape, and those of one shape the answer.
        var known: [ObjectIdentifier: Bool] = [:]
        let able = pool.nodes.filter { node in
            guard node.acceptsWork, !taken.contains(node.name), node.resources.has(request.labels),
                demand.excluded[node.name] == nil
            else { return false }
            let shape = ObjectIdentifier(node.resources.shape)
            if let answer = known[shape] { return answer }
            let answer = node.resources.couldFit(request)
            known[shape] = answer
            return answer
        }
        func free(_ node: NodePool.Node) -> Int {
            request.gpus.count > 0 ? node.resources.freeGPUCount : node.resources.freeCPUCount
        }
        return able.map { (free: free($0), name: $0.name) }.sorted {
            ($0.free, $1.name) > ($1.free, $0.name)
        }.prefix(Self.reservationNodes + request.nodes - 1).map(\.name)
    }

    /// Where others have room reserved that this one must not make later.
    private func reservedNodes(before demand: ClusterSnapshot.Demand, _ now: Timestamp) -> Set<
        String
    > {
        Set(
            active.flatMap { id -> [String] in
                guard id != demand.id.job, let job = jobs[id], let reservation = job.reservation,
                    job.spec.priority >= demand.priority, isValid(reservation, now)
                else { return [] }
                return reservation.rooms.map(\.node)
            })
    }

    /// When enough of a node's lanes will have ended; nil where that cannot be said, and where it is not before a time.
    private func earliestStart(
        _ request: ResourceRequest, on name: String, _ durations: [JobID: Int64],
        before latest: Timestamp?, _ now: Timestamp
    ) -> (start: Timestamp, placement: Placement)? {
        guard let node = nodes[name], let room = pool[name]?.resources else { return nil }
        let ends = node.lanes.compactMap { id -> (end: Timestamp, id: LaneID)? in
            guard let lane = lanes[id], let duration = durations[lane.demand.job] else {
                return nil
            }
            return (Self.expectedEnd(lane, duration, now), id)
        }.filter { end in latest.map { end.end < $0 } ?? true }.sorted {
            ($0.end, $0.id.rawValue) < ($1.end, $1.id.rawValue)
        }
        /// What fits once so many of them have ended.
        func fit(after count: Int) -> Placement? {
            var resources = room
            for (_, id) in ends.prefix(count) {
                guard let lane = lanes[id] else { continue }
                resources.give(lane.placement, lane.reservation)
            }
            return resources.fit(request, node: name)?.placement
        }
        // The more have ended, the more fits.
        var (low, high) = (0, ends.count)
        guard var placement = fit(after: high) else { return nil }
        while low < high {
            let middle = (low + high) / 2
            if let found = fit(after: middle) {
                (placement, high) = (found, middle)
            } else {
                low = middle + 1
            }
        }
        return (low == 0 ? now : ends[low - 1].end, placement)
    }

    /// When the last of a lane's tasks is expected to end; nil where nothing is known of how long they run.
    func expectedEnd(_ lane: Lane, _ now: Timestamp) -> Timestamp? {
        jobs[lane.demand.job]?.expectedDuration.map { Self.expectedEnd(lane, $0, now) }
    }

    private static func expectedEnd(_ lane: Lane, _ duration: Int64, _ now: Timestamp) -> Timestamp
    {
        let started = lane.started ?? lane.opened
        var first = started.milliseconds + duration
        // One that is late is given a little more time, again and again.
        if first < now.milliseconds { first = now.milliseconds + max(1000, duration / 8) }
        let further = Int64(max(0, lane.tasks.count - 1))
        return Timestamp(milliseconds: first + further * duration)
    }

    /// Adds up how often a job that found no room was passed by, and forgets it for those that found some.
    mutating func noteOvertaking(_ plan: Plan) {
        for opening in plan.openings where jobs[opening.demand.job]?.overtaken != 0 {
            jobs[opening.demand.job]?.overtaken = 0
            jobs[opening.demand.job]?.reservation = nil
        }
        for (id, tasks) in plan.passed where tasks > 0 { jobs[id]?.overtaken += tasks }
    }
}

extension JobRecord {
    /// Milliseconds that a task is expected to run at most: its limit, or lacking that the mean seen so far.
    var expectedDuration: Int64? {
        timeLimit ?? meanDuration.map { Int64($0.rounded(.up)) }
    }
}
