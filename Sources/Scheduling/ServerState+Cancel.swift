import JobModel

extension ServerState {
    /// Ends queued tasks at once; asks nodes to end those that they have.
    mutating func cancel(_ selection: TaskSelection, _ now: Timestamp) {
        let id = selection.job
        guard let place = jobs.index(forKey: id), jobs.values[place].ended == nil else { return }
        outbox.changed.insert(id)
        var cancelled: [Int] = []
        for range in selection.ranges(of: jobs.values[place].taskCount) {
            var bare: Range<Int>?
            let end = max(
                range.lowerBound, min(range.upperBound, jobs.values[place].tasks.untouchedFrom))
            for index in range.lowerBound..<end {
                switch jobs.values[place].tasks[index] {
                case .queued:
                    if jobs.values[place].tasks.hasRow(index) {
                        markCancelled(TaskID(job: id, index: index), place)
                    } else {
                        if jobs.values[place].cursor <= index {
                            jobs.values[place].untouched -= 1
                        }
                        bare = extend(bare, index, of: id)
                        jobs.values[place].tasks[index] = .cancelled
                    }
                    if dependents[id] != nil { cancelled.append(index) }
                case .dispatched, .running: stop(index, place)
                default: break
                }
            }
            if let bare { outbox.tasks.append(.markedUntouched(id, bare, .cancelled)) }
            cancelUntouched(end..<range.upperBound, place)
            if dependents[id] != nil { cancelled += end..<range.upperBound }
        }
        for index in cancelled { releaseIndexed(TaskID(job: id, index: index), now) }
        finishIfDone(id, now)
    }

    /// However many they are: none of them was ever looked at.
    private mutating func cancelUntouched(
        _ range: Range<Int>, _ place: Dictionary<JobID, JobRecord>.Index
    ) {
        guard !range.isEmpty else { return }
        jobs.values[place].tasks.fill(range, .cancelled)
        jobs.values[place].untouched -= max(
            0, range.upperBound - max(range.lowerBound, jobs.values[place].cursor))
        outbox.tasks.append(.markedUntouched(jobs.values[place].id, range, .cancelled))
    }

    private mutating func markCancelled(_ task: TaskID, _ place: Dictionary<JobID, JobRecord>.Index)
    {
        jobs.values[place].tasks[task.index] = .cancelled
        outbox.tasks.append(.marked(task, .cancelled, jobs.values[place].budget(of: task.index)))
    }

    /// Grows a run of untouched tasks by its next index, or lets it go to the database and begins another.
    mutating func extend(
        _ run: Range<Int>?, _ index: Int, of job: JobID, as state: TaskState = .cancelled
    )
        -> Range<Int>
    {
        guard let run else { return index..<index + 1 }
        if run.upperBound == index { return run.lowerBound..<index + 1 }
        outbox.tasks.append(.markedUntouched(job, run, state))
        return index..<index + 1
    }

    private mutating func stop(_ index: Int, _ place: Dictionary<JobID, JobRecord>.Index) {
        guard let live = jobs.values[place].live[index], !live.cancelRequested else { return }
        jobs.values[place].live[index]?.cancelRequested = true
        let task = TaskID(job: jobs.values[place].id, index: index)
        outbox.tasks.append(.cancelling(task))
        if live.gang?.isEnding != true { tellToEnd(task) }
    }
}

extension JobRecord {
    func budget(of index: Int) -> TaskBudget {
        history[index]?.budget ?? TaskBudget(attempt: attempt(of: index))
    }
}
