import JobModel

extension ServerState {
    /// A job goes on with another spec and more tasks at its end: what succeeded stays, what did not is queued again, and what is no
    /// longer wanted is cancelled. The caller has loaded it; a job whose tasks follow others one by one keeps its size.
    mutating func renew(
        _ id: JobID, _ spec: JobSpec, count: Int, dropped: [Range<Int>], _ now: Timestamp
    ) {
        guard let place = jobs.index(forKey: id), jobs.values[place].isLoaded,
            count >= jobs.values[place].taskCount, !jobs.values[place].isSampled, !spec.isSampled
        else { return }
        if !dropped.isEmpty { cancel(TaskSelection(job: id, ranges: dropped), now) }
        let known = jobs.values[place].taskCount
        jobs.values[place].renew(spec, count: count)
        outbox.specs.insert(id)
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
        outbox.later.append(.retell(id))
        retry(
            TaskSelection(job: id, ranges: Self.rest(of: known, without: dropped)),
            [.failed, .lost, .cancelled], now)
        if count > known, jobs.values[place].ended != nil { reopen(id, [], now) }
        finishIfDone(id, now)
    }

    private static func rest(of count: Int, without dropped: [Range<Int>]) -> [Range<Int>] {
        var rest: [Range<Int>] = []
        var first = 0
        for range in dropped {
            if first < range.lowerBound { rest.append(first..<range.lowerBound) }
            first = max(first, range.upperBound)
        }
        if first < count { rest.append(first..<count) }
        return rest
    }
}
