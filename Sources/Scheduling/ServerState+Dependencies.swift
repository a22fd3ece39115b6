import JobModel

extension ServerState {
    /// Notes what a new or restored job waits for; what is already so takes effect at once.
    mutating func awaitDependencies(of id: JobID, _ now: Timestamp) {
        guard let job = jobs[id] else { return }
        if job.isIndexed {
            // Nothing is ready by itself: tasks come one by one.
            jobs[id]?.cursor = job.taskCount
            jobs[id]?.untouched = 0
        }
        readySampled(id)
        let postponed = Set(delayed.lazy.filter { $0.task.job == id }.map(\.task.index))
        awaitDependencies(
            of: id,
            settling: job.isIndexed ? (0..<job.taskCount).filter { !postponed.contains($0) } : [],
            now)
    }

    /// - Parameter indexes: tasks that follow others one by one and are looked at again.
    mutating func awaitDependencies(of id: JobID, settling indexes: [Int], _ now: Timestamp) {
        guard let job = jobs[id] else { return }
        for dependency in job.dependencies where jobs[dependency.job]?.isFinal == false {
            if dependents[dependency.job]?.contains(id) != true {
                dependents[dependency.job, default: []].append(id)
            }
            if dependency.condition != .each { jobs[id]?.blockers.insert(dependency.job) }
        }
        for index in indexes where job.tasks[index] == .queued { settle(index, of: id, now) }
        for dependency in job.dependencies where jobs[dependency.job]?.isFinal ?? true {
            upstreamEnded(dependency.job, for: id, now)
        }
    }

    /// A job has ended: those that wait for it go on, or are cancelled.
    mutating func releaseDependents(of upstream: JobID, _ now: Timestamp) {
        for id in dependents.removeValue(forKey: upstream) ?? [] {
            upstreamEnded(upstream, for: id, now)
        }
    }

    private mutating func upstreamEnded(_ upstream: JobID, for id: JobID, _ now: Timestamp) {
        guard let job = jobs[id], job.ended == nil else { return }
        let conditions = job.dependencies.filter { $0.job == upstream }.map(\.condition)
        jobs[id]?.blockers.remove(upstream)
        outbox.changed.insert(id)
        if conditions.contains(.ok), jobs[upstream]?.state != .succeeded {
            fail(id, "job \(upstream), which has to succeed first, did not", now)
        }
    }

    /// A task has ended for good: the task of the same index in jobs that wait for it one by one becomes ready or is cancelled.
    mutating func releaseIndexed(_ task: TaskID, _ now: Timestamp) {
        guard let waiting = dependents[task.job] else { return }
        for id in waiting {
            guard let job = jobs[id], job.isIndexed, task.index < job.taskCount,
                job.tasks[task.index] == .queued
            else { continue }
            settle(task.index, of: id, now)
        }
    }

    private mutating func settle(_ index: Int, of id: JobID, _ now: Timestamp) {
        guard let job = jobs[id] else { return }
        var isReady = true
        for dependency in job.dependencies where dependency.condition == .each {
            let mark = jobs[dependency.job].map { upstream -> TaskTable.Mark in
                index < upstream.taskCount ? upstream.tasks[index] : .failed
            }
            guard let mark, mark.state.isFinal else {
                isReady = false
                continue
            }
            guard mark == .succeeded || mark == .stopped else {
                return cancel(TaskSelection(job: id, ranges: [index..<index + 1]), now)
            }
        }
        if isReady { makeReady(TaskID(job: id, index: index)) }
    }
}
