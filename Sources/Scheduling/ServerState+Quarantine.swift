import JobModel

extension ServerState {
    /// Notes what an end says of its node, and takes the node out where that is too much.
    mutating func noteHealth(_ record: ExitRecord, on name: String, _ now: Timestamp) {
        let sign = NodeHealth.Sign(record)
        if case .nothing = sign { return }
        guard nodes[name] != nil, let place = jobs.index(forKey: record.attempt.task.job) else {
            return
        }
        nodes[name]?.health.note(sign)
        guard case .failure = sign else { return jobs.values[place].faredWell.insert(name) }
        jobs.values[place].failedSoon.insert(name)
        judge(name, now)
    }

    /// As an earlier server found, or this one.
    mutating func quarantine(_ name: String, _ reason: String) {
        guard nodes[name] != nil, nodes[name]?.health.quarantine == nil else { return }
        nodes[name]?.health.quarantine = reason
        openOrClose(name)
        withdraw(from: name)
        for job in active { outbox.changed.insert(job) }
    }

    private mutating func judge(_ name: String, _ now: Timestamp) {
        guard let health = nodes[name]?.health, health.quarantine == nil,
            let failures = health.tooMany, isNodesFault(failures, name, now),
            nodes.contains(where: { $0 != name && $1.acceptsWork && $1.health.isSound })
        else { return }
        let what =
            failures.allSatisfy(\.isStart)
            ? "could not be started" : "failed within \(NodeHealth.soon / 1000) s of their start"
        let reason = "\(failures.count) tasks in a row \(what)"
        quarantine(name, reason)
        outbox.later.append(.quarantined(name, reason: reason))
    }

    /// Jobs that do well elsewhere say so, or several that nobody knows to fail elsewhere too: a job that is broken everywhere is no
    /// node's fault.
    private func isNodesFault(_ failures: [NodeHealth.Failure], _ name: String, _ now: Timestamp)
        -> Bool
    {
        let least = failures.allSatisfy(\.isStart) ? 0 : NodeHealth.soon
        let ids = Set(failures.map(\.attempt.task.job))
        if ids.contains(where: { faresWell($0, elsewhereThan: name, for: least, now) }) {
            return true
        }
        return ids.filter { jobs[$0]?.failedSoon.hasOther(than: name) == false }.count > 1
    }

    /// Whether tasks of a job have succeeded on another node, or run there for so many milliseconds.
    private func faresWell(
        _ id: JobID, elsewhereThan name: String, for least: Int64, _ now: Timestamp
    ) -> Bool {
        guard let job = jobs[id] else { return false }
        if job.faredWell.hasOther(than: name) { return true }
        return job.live.values.contains { live in
            guard let started = live.started, let lane = lanes[live.lane],
                lane.placement.node != name, live.gang == nil
            else { return false }
            // The node's clock may be slow.
            let since = max(started, lane.opened)
            return now.milliseconds - since.milliseconds >= least
        }
    }
}
