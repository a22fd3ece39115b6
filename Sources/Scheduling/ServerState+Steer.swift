import JobModel

// What its user changes of a job while it goes on.

extension ServerState {
    mutating func set(_ id: JobID, _ settings: [JobSetting], _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), jobs.values[place].ended == nil else { return }
        let before = jobs.values[place].spec.limits
        var (limits, priority) = (before, jobs.values[place].spec.priority)
        for setting in settings { setting.change(&limits, &priority) }
        if limits != before { jobs.values[place].decisions.limits = limits }
        if priority != jobs.values[place].spec.priority {
            jobs.values[place].decisions.priority = priority
        }
        jobs.values[place].takeDecisions()
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
        if limits.time != before.time { outbox.later.append(.retell(id)) }
        if let most = limits.parallel {
            recallUnstarted(jobs.values[place].lanes.sorted().dropFirst(most), of: id)
        }
        endIfHopeless(id, now)
        finishIfDone(id, now)
    }

    /// Kept with the job, each once.
    mutating func note(_ text: String, of id: JobID) {
        guard let place = jobs.index(forKey: id), jobs.values[place].ended == nil else { return }
        let notes = jobs.values[place].decisions.notes ?? []
        guard !notes.contains(text) else { return }
        jobs.values[place].decisions.notes = notes + [text]
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
    }

    /// Starts nothing more of a job; paused, what runs of it stands still, too, and keeps its place.
    mutating func hold(_ id: JobID, _ hold: JobDecisions.Hold, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), jobs.values[place].ended == nil,
            jobs.values[place].decisions.hold != .paused,
            jobs.values[place].decisions.hold != hold
        else { return }
        jobs.values[place].decisions.hold = hold
        // What was kept for it others may have.
        jobs.values[place].reservation = nil
        jobs.values[place].overtaken = 0
        recallUnstarted(jobs.values[place].lanes, of: id)
        if hold == .paused {
            jobs.values[place].decisions.pauses =
                (jobs.values[place].decisions.pauses ?? []) + [.init(from: now)]
            tellHold(of: id)
        }
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
    }

    mutating func release(_ id: JobID, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), jobs.values[place].decisions.hold != nil else {
            return
        }
        let wasPaused = jobs.values[place].decisions.hold == .paused
        jobs.values[place].decisions.hold = nil
        if var pauses = jobs.values[place].decisions.pauses, wasPaused, !pauses.isEmpty {
            pauses[pauses.count - 1].to = now
            jobs.values[place].decisions.pauses = pauses
            tellHold(of: id)
        }
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
    }

    /// Of all that has started.
    private mutating func tellHold(of id: JobID) {
        for (index, live) in (jobs[id]?.live ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard live.started != nil else { continue }
            let attempt = AttemptID(task: TaskID(job: id, index: index), number: live.attempt)
            let parts = live.gang?.members.filter { $0.end == nil }.map(\.lane) ?? [live.lane]
            for node in parts.compactMap({ lanes[$0]?.placement.node }) { tellHold(attempt, node) }
        }
    }

    /// Tells a node whether an attempt is to stand still, where there ever was a question of that.
    mutating func tellHold(_ attempt: AttemptID, _ node: String) {
        guard let decisions = jobs[attempt.task.job]?.decisions else { return }
        if decisions.hold == .paused {
            outbox.pauses[node, default: []].append(attempt)
        } else if decisions.pauses != nil {
            outbox.resumes[node, default: []].append(attempt)
        }
    }
}

extension JobRecord {
    /// Why its user lets nothing of it start, with the way back; nil where it may.
    var holdReason: String? {
        switch decisions.hold {
        case .held: "is held: `martlet release \(id)` lets it go on"
        case .paused: "is paused: `martlet resume \(id)` lets it go on"
        case nil: nil
        }
    }
}
