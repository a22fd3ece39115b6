import JobModel

extension ServerState {
    /// Queues ended tasks again, with a fresh budget of failures. Their attempts go on counting.
    mutating func retry(_ selection: TaskSelection, _ states: Set<TaskState>, _ now: Timestamp) {
        let id = selection.job
        guard let place = jobs.index(forKey: id), jobs.values[place].isLoaded else { return }
        // Its image may be waiting for its next try.
        if imageRetries.removeValue(forKey: id) != nil { outbox.later.append(.fetchImage(id)) }
        var queued: [Int] = []
        let isIndexed = jobs.values[place].isIndexed
        let (isSampled, points) = (jobs.values[place].isSampled, jobs.values[place].points)
        for range in selection.ranges(of: jobs.values[place].taskCount) {
            var bare: Range<Int>?
            for index in range {
                let state = jobs.values[place].tasks[index].state
                guard state.isFinal, states.contains(state) else { continue }
                queued.append(index)
                if jobs.values[place].tasks.hasRow(index) {
                    requeue(index, place)
                } else {
                    bare = extend(bare, index, of: id, as: .queued)
                    jobs.values[place].tasks[index] = .queued
                    // Those without a point wait for it.
                    if isIndexed || isSampled && index >= points { continue }
                    if jobs.values[place].cursor <= index {
                        jobs.values[place].untouched += 1
                    } else {
                        jobs.values[place].again.append(index)
                    }
                }
            }
            if let bare { outbox.tasks.append(.markedUntouched(id, bare, .queued)) }
        }
        if !queued.isEmpty { reopen(id, isIndexed ? queued : [], now) }
    }

    private mutating func requeue(_ index: Int, _ place: Dictionary<JobID, JobRecord>.Index) {
        let attempt = jobs.values[place].attempt(of: index)
        jobs.values[place].history[index] =
            attempt == 1 ? nil : JobRecord.History(attempt: attempt)
        jobs.values[place].tasks[index] = .queued
        if !jobs.values[place].isIndexed { jobs.values[place].again.append(index) }
        outbox.tasks.append(
            .marked(
                TaskID(job: jobs.values[place].id, index: index), .queued,
                TaskBudget(attempt: attempt)))
    }

    /// What the job waits for is looked at anew: its tasks were perhaps cancelled because of it.
    mutating func reopen(_ id: JobID, _ indexes: [Int], _ now: Timestamp) {
        jobs[id]?.failure = nil
        jobs[id]?.decisions.firstFailure = nil
        jobs[id]?.decisions.avoided = nil
        jobs[id]?.decisions.retried = now
        // Its mounts are looked at anew.
        if jobs[id]?.ended != nil { jobs[id]?.decisions.notes = nil }
        if jobs[id]?.spec.limits.total != nil { jobs[id]?.decisions.totalSince = now }
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
        if jobs[id]?.ended != nil { activate(id) }
        awaitDependencies(of: id, settling: indexes, now)
        finishIfDone(id, now)
    }

    private mutating func activate(_ id: JobID) {
        jobs[id]?.ended = nil
        jobs[id]?.decisions.hold = nil
        let place = active.firstIndex { $0 > id } ?? active.count
        active.insert(id, at: place)
        if jobs[id]?.spec.image != "host" {
            // The image may have been removed since.
            jobs[id]?.image = .unasked
            outbox.later.append(.fetchImage(id))
        }
    }
}
