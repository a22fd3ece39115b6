import JobModel

// Tasks on several nodes: one attempt, with a container on each of its nodes.

extension ServerState {
    /// All members at once.
    mutating func openGang(_ opening: Plan.Opening, _ now: Timestamp) {
        let placements = [opening.placement] + opening.others
        let members = zip(placements, opening.reservations).map { placement, reservation in
            LiveGang.Member(
                placement: placement,
                lane: openLane(opening.demand, placement, reservation, now))
        }
        guard let attempt = takeAttempt(of: opening.demand, into: members[0].lane) else {
            for member in members { close(member.lane, now) }
            return
        }
        for member in members.dropFirst() { lanes[member.lane]?.tasks = [attempt.task.index] }
        let gang = LiveGang(members: members, port: meetingPort(of: attempt.task, members))
        jobs[attempt.task.job]?.live[attempt.task.index]?.gang = gang
        for rank in members.indices {
            let dispatch = dispatch(attempt, of: gang, rank, memory: opening.demand.memory)
            if rank == 0 { outbox.tasks.append(.dispatched(dispatch)) }
            tell(dispatch)
        }
    }

    func dispatch(_ attempt: AttemptID, of gang: LiveGang, _ rank: Int, memory: Int64?) -> Dispatch
    {
        Dispatch(
            attempt: attempt, placement: gang.members[rank].placement, memory: memory,
            time: time(of: attempt.task), gang: gang.gang, rank: rank)
    }

    /// One that no other task has that is known to have one on rank 0's node.
    private func meetingPort(of task: TaskID, _ members: [LiveGang.Member]) -> Int {
        let node = members[0].placement.node
        var taken = Set(
            (pool[node]?.resources.heldPorts ?? []).map { Int($0.mapping.hostPort) })
        for id in nodes[node]?.lanes ?? [] {
            guard let lane = lanes[id], let index = lane.tasks.first,
                let gang = jobs[lane.demand.job]?.live[index]?.gang, gang.members[0].lane == id
            else { continue }
            taken.insert(gang.port)
        }
        return Gang.port(for: task, isTaken: taken.contains)
    }

    /// One member's end, which frees what it had; the first that is no success ends the others.
    mutating func endMember(_ record: ExitRecord, on node: String, _ now: Timestamp) {
        let task = record.attempt.task
        guard let place = jobs.index(forKey: task.job),
            let gang = jobs.values[place].live[task.index]?.gang,
            let rank = gang.rank(on: node), gang.members[rank].end == nil
        else { return }
        jobs.values[place].live[task.index]?.gang?.members[rank].end = record
        leave(gang.members[rank].lane, task.index, now)
        // Those that fail after the first may do so because of it.
        if !gang.isEnding {
            noteHealth(record, on: node, now)
            noteGPUs(record, gang.members[rank].placement, now)
        }
        if !record.isSuccess { endOthers(task) }
        guard let live = jobs.values[place].live[task.index], let gang = live.gang else { return }
        if gang.isOver, let outcome = gang.outcome {
            let failed = gang.members.filter { $0.end?.isFailure == true }
                .min { ($0.end?.ended ?? now) < ($1.end?.ended ?? now) }
            conclude(outcome, live, on: failed?.placement.node ?? node, now)
        } else {
            outbox.tasks.append(.partEnded(task, gang.saved))
        }
    }

    private mutating func endOthers(_ task: TaskID) {
        guard let live = jobs[task.job]?.live[task.index], live.gang?.isEnding == false else {
            return
        }
        jobs[task.job]?.live[task.index]?.gang?.isEnding = true
        if !live.cancelRequested { tellToEnd(task) }
    }

    /// Tells each node that has a part of the task's attempt.
    mutating func tellToEnd(_ task: TaskID) {
        guard let live = jobs[task.job]?.live[task.index] else { return }
        let attempt = AttemptID(task: task, number: live.attempt)
        let ids = live.gang?.members.filter { $0.end == nil }.map(\.lane) ?? [live.lane]
        for id in ids {
            guard let node = lanes[id]?.placement.node else { continue }
            outbox.cancels[node, default: []].append(attempt)
        }
    }

    /// As the database has it.
    mutating func restore(
        _ gang: Gang, _ attempt: AttemptID, _ demand: DemandID, cancelRequested: Bool,
        _ now: Timestamp
    ) {
        var members: [LiveGang.Member] = []
        for (rank, placement) in gang.placements.enumerated() {
            let lane = openLane(demand, placement, .init(memory: []), now)
            lanes[lane]?.tasks = [attempt.task.index]
            members.append(
                LiveGang.Member(placement: placement, lane: lane, end: gang.ends[rank]))
        }
        let isEnding = members.contains { $0.end?.isSuccess == false }
        jobs[attempt.task.job]?.live[attempt.task.index] = JobRecord.Live(
            attempt: attempt.number, lane: members[0].lane, cancelRequested: cancelRequested,
            gang: LiveGang(members: members, port: gang.port, isEnding: isEnding))
        for member in members where member.end != nil {
            leave(member.lane, attempt.task.index, now)
        }
    }
}
