import JobModel

extension ServerState {
    mutating func submit(_ job: NewJob, _ now: Timestamp) {
        guard jobs[job.id] == nil else { return }
        jobs[job.id] = JobRecord(job)
        active.append(job.id)
        outbox.changed.insert(job.id)
        if case .pending = jobs[job.id]?.image { outbox.later.append(.fetchImage(job.id)) }
        awaitDependencies(of: job.id, now)
        finishIfDone(job.id, now)
    }

    mutating func imageReady(_ id: JobID, _ digest: String?) {
        guard jobs[id]?.ended == nil, jobs[id]?.image != .ready else { return }
        jobs[id]?.image = .ready
        jobs[id]?.digest = digest
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
    }

    /// Seconds between the tries to bring in an image whose failure may pass; after the last the job fails.
    private static let imageBackoff: [Int64] = [1, 3]
    /// Seconds between the tries where waiting is all that helps.
    private static let imagePatience: Int64 = 30

    mutating func imageFailed(
        _ id: JobID, _ reason: String, _ failure: ImageFailure, _ now: Timestamp
    ) {
        guard let job = jobs[id], job.ended == nil, case .pending(let tries, _, _) = job.image
        else {
            return
        }
        let isSoon = failure != .waiting && tries < Self.imageBackoff.count
        jobs[id]?.image = .pending(tries: tries + 1, reason: reason, isHeld: !isSoon)
        outbox.changed.insert(id)
        // With tasks on nodes or done, the image was here once: it may come back.
        let wasHere = job.started != nil || !job.live.isEmpty
        guard isSoon && failure == .passing || failure == .waiting || wasHere else {
            return fail(id, reason, now)
        }
        let seconds = isSoon ? Self.imageBackoff[tries] : Self.imagePatience
        imageRetries[id] = Timestamp(milliseconds: now.milliseconds + seconds * 1000)
    }

    /// Ends a job whose tasks cannot run: those that are queued are cancelled, and the job says why.
    mutating func fail(_ id: JobID, _ reason: String, _ now: Timestamp) {
        guard jobs[id]?.failure == nil else { return }
        jobs[id]?.failure = reason
        outbox.jobs.insert(id)
        cancel(TaskSelection(job: id), now)
    }
}
