public import JobModel

// Jobs whose points come one by one from a sampler: task i is ready once point i is there.

extension ServerState {
    /// Point `index` is known; only the next one counts.
    mutating func takePoint(_ index: Int, of id: JobID) {
        guard let place = jobs.index(forKey: id), jobs.values[place].isSampled,
            jobs.values[place].isLoaded, jobs.values[place].ended == nil,
            index == jobs.values[place].points, index < jobs.values[place].taskCount
        else { return }
        jobs.values[place].points += 1
        let task = TaskID(job: id, index: index)
        outbox.tasks.append(.pointed(task))
        outbox.changed.insert(id)
        makeReady(task)
    }

    /// No more points come: the tasks that have none are not needed.
    mutating func endPoints(of id: JobID, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), jobs.values[place].isSampled,
            jobs.values[place].isLoaded, jobs.values[place].ended == nil
        else { return }
        var (bare, all): (Range<Int>?, [Int]) = (nil, [])
        for index in jobs.values[place].points..<jobs.values[place].taskCount
        where jobs.values[place].tasks[index] == .queued {
            bare = extend(bare, index, of: id, as: .stopped)
            jobs.values[place].tasks[index] = .stopped
            all.append(index)
        }
        if let bare { outbox.tasks.append(.markedUntouched(id, bare, .stopped)) }
        outbox.changed.insert(id)
        for index in all { releaseIndexed(TaskID(job: id, index: index), now) }
        finishIfDone(id, now)
    }

    /// After a restart those are ready that have a point and no row yet.
    mutating func readySampled(_ id: JobID) {
        guard let place = jobs.index(forKey: id), jobs.values[place].isSampled else { return }
        jobs.values[place].cursor = jobs.values[place].taskCount
        jobs.values[place].untouched = 0
        for index in 0..<jobs.values[place].points where !jobs.values[place].tasks.hasRow(index) {
            makeReady(TaskID(job: id, index: index))
        }
    }

    /// Jobs that have not ended and have a sampler, in the order in which they are served.
    public var sampledJobs: [JobID] {
        timely.filter { id in
            jobs.index(forKey: id).map { jobs.values[$0].isSampled } ?? false
        }
    }
}

extension JobRecord {
    public var isSampled: Bool { spec.isSampled }

    /// Some task has no point yet and waits for one.
    public var lacksPoints: Bool {
        (points..<max(points, taskCount)).contains { tasks[$0] == .queued }
    }

    /// Whether its sampler is to be asked for another point.
    public var wantsPoint: Bool {
        guard let sampler = spec.sweep.sample?.sampler, ended == nil, failure == nil,
            blockers.isEmpty, decisions.hold == nil, waitsUntil == nil
        else { return false }
        let most = sampler.parallel ?? spec.limits.parallel ?? ExternalSampler.usualParallel
        return points - counts.finished < most && lacksPoints
    }
}
