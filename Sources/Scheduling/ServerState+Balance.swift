import JobModel

extension ServerState {
    /// Milliseconds for which a lane's first task runs before those behind it are asked back.
    private static let stuckAfter: Int64 = 100

    /// Where a job has nothing ready, tasks wait in its lanes, and there is room for another lane, looks again soon.
    mutating func watchBalance(_ now: Timestamp) {
        guard rebalanceAt == nil, active.contains(where: isHungry) else { return }
        rebalanceAt = Timestamp(milliseconds: now.milliseconds + Self.stuckAfter)
    }

    private func isHungry(_ id: JobID) -> Bool {
        // Where each lane has one task, none has one behind it.
        guard let place = jobs.index(forKey: id), jobs.values[place].readyCount == 0,
            jobs.values[place].live.count > jobs.values[place].lanes.count
        else { return false }
        let job = jobs.values[place]
        guard job.isRunnable else { return false }
        guard job.lanes.contains(where: { isBacklogged($0) }) else { return false }
        if let parallel = job.spec.limits.parallel, job.lanes.count >= parallel { return false }
        if let group = job.spec.group, groupRoom()[group.name] == 0 { return false }
        return pool.nodes.contains { node in
            node.acceptsWork && job.everyExclusion[node.name] == nil
                && node.resources.holder(of: job.spec.network.fixedPorts) == nil
                && node.resources.fit(job.spec.resources, node: node.name) != nil
        }
    }

    private func isBacklogged(_ id: LaneID) -> Bool {
        guard let lane = lanes[id], lane.tasks.count > 1, let job = jobs[lane.demand.job] else {
            return false
        }
        return lane.tasks.contains { index in
            guard let live = job.live[index] else { return false }
            return live.started == nil && !live.recalled
        }
    }

    /// Whether one of a lane's tasks has run for long.
    func isStuck(_ lane: Lane, _ now: Timestamp) -> Bool {
        guard let job = jobs[lane.demand.job] else { return false }
        return lane.tasks.contains { index in
            guard let started = job.live[index]?.started else { return false }
            return now.milliseconds - started.milliseconds >= Self.stuckAfter
        }
    }

    /// Asks for the tasks back that wait behind a long one.
    mutating func recallStuck(_ now: Timestamp) {
        for id in active where isHungry(id) {
            for lane in (jobs[id]?.lanes ?? []).sorted() where isBacklogged(lane) {
                recall(lane, of: id, now)
            }
        }
    }

    private mutating func recall(_ id: LaneID, of job: JobID, _ now: Timestamp) {
        guard let lane = lanes[id], isStuck(lane, now) else { return }
        for index in lane.tasks {
            guard let live = jobs[job]?.live[index], live.started == nil, !live.recalled else {
                continue
            }
            jobs[job]?.live[index]?.recalled = true
            outbox.recalls[lane.placement.node, default: []].append(
                AttemptID(task: TaskID(job: job, index: index), number: live.attempt))
        }
    }
}
