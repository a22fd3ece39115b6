import JobModel

// Jobs with a search: tasks that fall behind are stopped, which is saved before they are told.

extension ServerState {
    /// A task came to a rung. One that was there before, in this attempt or an earlier one, is not judged a second time; so the same
    /// record may come as often as it likes.
    mutating func reach(_ record: RungRecord, on node: String) {
        let task = record.attempt.task
        guard let place = jobs.index(forKey: task.job), jobs.values[place].isLoaded,
            jobs.values[place].ended == nil, let policy = jobs.values[place].spec.search,
            policy.step(ofRung: record.rung) != nil,
            (0..<jobs.values[place].taskCount).contains(task.index)
        else { return }
        let live = jobs.values[place].live[task.index]
        guard record.attempt.number == live?.attempt ?? jobs.values[place].attempt(of: task.index),
            live?.gang?.rank(on: node) ?? 0 == 0, jobs.values[place].rungs.note(record)
        else { return }
        outbox.tasks.append(.reached(record))
        guard let live, live.isFreeToRun,
            let reason = jobs.values[place].rungs.objection(to: record, policy)
        else { return }
        jobs.values[place].live[task.index]?.stopping = reason
        outbox.tasks.append(.stopping(task, reason))
        outbox.changed.insert(task.job)
        tellToEnd(task)
    }
}

extension JobRecord.Live {
    /// Nobody has told it to end.
    fileprivate var isFreeToRun: Bool {
        !cancelRequested && overdue == nil && stopping == nil && gang?.isEnding != true
    }
}
