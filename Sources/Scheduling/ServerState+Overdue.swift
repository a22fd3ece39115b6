import JobModel

// Limits on time that nodes do not know of: a multiple of the median, which rises and falls while tasks run, and that of the job.

extension ServerState {
    /// Milliseconds that the next attempt of a task may run, where that is not what its spec says.
    func time(of task: TaskID) -> Int64? {
        guard let place = jobs.index(forKey: task.job) else { return nil }
        return jobs.values[place].history[task.index]?.time
    }

    /// When the first limit of those passes.
    func nextOverdue() -> Timestamp? {
        var next: Timestamp?
        for id in timely {
            guard let place = jobs.index(forKey: id) else { continue }
            let ends = [jobs.values[place].end, firstEnd(place)].compactMap { $0 }
            if let end = ends.min() { next = min(next ?? end, end) }
        }
        return next
    }

    private func firstEnd(_ place: Dictionary<JobID, JobRecord>.Index) -> Timestamp? {
        let limit = jobs.values[place].medianLimit
        let before = jobs.values[place].spec.stop.before ?? 0
        return jobs.values[place].live.compactMap { index, live -> Timestamp? in
            guard let limit = live.told ?? limit,
                let due = due(
                    live, limit, jobs.values[place].history[index], jobs.values[place].decisions)
            else { return nil }
            let warns = live.told == nil && isWarned(of: limit, jobs.values[place])
            return Timestamp(milliseconds: due.milliseconds - (warns ? before : 0))
        }.min()
    }

    /// Whether tasks of the job hear of such a multiple of the median before it passes: their node warns them, as it does of a limit
    /// that it knows from the start. One that passes later than that is not told.
    private func isWarned(of limit: Int64, _ job: JobRecord) -> Bool {
        guard let before = job.spec.stop.before else { return false }
        return before < limit && limit < job.spec.limits.time ?? .max
    }

    /// Tells nodes of limits that are about to pass.
    private mutating func warnOverdue(_ id: JobID, _ limit: Int64, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), isWarned(of: limit, jobs.values[place]),
            let before = jobs.values[place].spec.stop.before
        else { return }
        let near = jobs.values[place].live.filter { index, live in
            guard live.told == nil else { return false }
            let due = due(
                live, limit, jobs.values[place].history[index], jobs.values[place].decisions)
            return due.map { $0.milliseconds - before <= now.milliseconds } ?? false
        }
        for index in near.keys.sorted() {
            jobs[id]?.live[index]?.told = limit
            guard let live = jobs[id]?.live[index] else { continue }
            let attempt = AttemptID(
                task: TaskID(job: id, index: index), number: live.attempt)
            let parts = live.gang?.members.filter { $0.end == nil }.map(\.lane) ?? [live.lane]
            for node in parts.compactMap({ lanes[$0]?.placement.node }) {
                if let dispatch = dispatch(attempt, live, on: node) { tell(dispatch) }
            }
        }
    }

    /// When a task passes the limit; nil for one that does not run, is being stopped, or has a limit of its own.
    private func due(
        _ live: JobRecord.Live, _ limit: Int64, _ history: JobRecord.History?,
        _ decisions: JobDecisions
    ) -> Timestamp? {
        guard history?.time == nil, !live.cancelRequested, live.overdue == nil,
            live.stopping == nil, decisions.hold != .paused, let started = live.started
        else { return nil }
        // The node's clock may be slow.
        let since = max(started, lanes[live.lane]?.opened ?? started)
        return Timestamp(
            milliseconds: since.milliseconds + limit + decisions.pausedTime(from: since))
    }

    mutating func endOverdue(_ now: Timestamp) {
        for id in timely {
            guard let place = jobs.index(forKey: id) else { continue }
            if let end = jobs.values[place].end, end <= now,
                let total = jobs.values[place].spec.limits.total
            {
                fail(id, "it ran for longer than \(TimeText.text(total)): limits.total", now)
                continue
            }
            let median = jobs.values[place].medianLimit
            let late = jobs.values[place].live.filter { index, live in
                guard let limit = live.told ?? median else { return false }
                return due(
                    live, limit, jobs.values[place].history[index], jobs.values[place].decisions
                ).map { $0 <= now } ?? false
            }
            for index in late.keys.sorted() {
                let task = TaskID(job: id, index: index)
                jobs.values[place].live[index]?.overdue = .init(
                    limit: late[index]?.told ?? median)
                outbox.tasks.append(.overdue(task))
                outbox.changed.insert(id)
                if late[index]?.gang?.isEnding != true { tellToEnd(task) }
            }
            if let median { warnOverdue(id, median, now) }
        }
    }
}

extension JobRecord {
    /// Milliseconds; nil where there is none, or too few tasks have succeeded to know it.
    var medianLimit: Int64? {
        guard let factor = spec.limits.timeOverMedian,
            durations.count >= Limits.medianTasks, let median = durations.median
        else { return nil }
        // What takes no time at all may take a second.
        return max(1000, Int64(min(Double(median) * factor, 0x1p62)))
    }

    /// Milliseconds that an attempt may run, as far as is known.
    var timeLimit: Int64? {
        [spec.limits.time, medianLimit].compactMap { $0 }.min()
    }

    /// When `limits.total` is over; nil where that is never, or once the job is over anyway.
    fileprivate var end: Timestamp? {
        guard failure == nil, decisions.hold != .paused, let total = spec.limits.total,
            let since = decisions.totalSince ?? started
        else { return nil }
        return Timestamp(
            milliseconds: since.milliseconds + total + decisions.pausedTime(from: since))
    }
}

/// How long the last tasks took, for their median.
struct Durations: Sendable, Hashable {
    /// Of more the oldest go.
    private static let most = 101
    private var recent: [Int64] = []
    private var next = 0
    /// As it was last measured.
    private(set) var median: Int64?

    var count: Int { recent.count }

    mutating func add(_ milliseconds: Int64) {
        if recent.count < Self.most {
            recent.append(milliseconds)
        } else {
            recent[next] = milliseconds
            next = (next + 1) % Self.most
        }
    }

    mutating func measure() {
        median = recent.isEmpty ? nil : recent.sorted()[recent.count / 2]
    }
}
