public import JobModel
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Ends the selected tasks that have not ended. Queued ones are cancelled when it returns; running ones get their
    /// signal, their grace and then SIGKILL. Returns how many tasks it met, by job in the order given.
    public func cancel(_ selections: [TaskSelection]) async throws(ErrorReport) -> [Int] {
        var counts: [Int] = []
        for selection in selections {
            _ = try job(selection.job)
            counts.append(state.count(selection, in: [.queued, .running]))
        }
        apply(selections.map { .cancelRequested($0) })
        await settle()
        return counts
    }

    /// Queues again those of the selected tasks that ended in one of `states`, as new attempts. A job whose image could not be
    /// brought in tries that again. Returns how many tasks it queued, by job in the order given.
    public func retry(
        _ selections: [TaskSelection], states: Set<TaskState> = [.failed, .cancelled, .lost]
    ) async throws(ErrorReport) -> [Int] {
        for selection in selections { try await load(selection.job) }
        var counts: [Int] = []
        for selection in selections {
            let count = state.count(selection, in: states.filter(\.isFinal))
            counts.append(count)
            if count > 0, expansions[selection.job] == nil {
                let job = try job(selection.job)
                expansions[selection.job] = try await SubmitCheck.points(of: job.spec)
                if job.spec.image == "host" { roots[selection.job] = .host }
            }
        }
        apply(selections.map { .retryRequested($0, states) })
        await settle()
        return counts
    }

    /// Writes what is left to write and lets go of the nodes. Tasks run on, unless `stopNodes` ends them, their launcher
    /// and their agent; those are queued again at the next start.
    public func shutdown(stopNodes: Bool) async {
        guard let store else { return }
        if stopNodes, let name = node?.name { apply([.nodeStopping(name)]) }
        await settle()
        if stopNodes { node?.send(.shutdown) }
        node?.line.close()
        node = nil
        self.store = nil
        wakeUp?.cancel()
        // Without a thread to wait on, the process's end closes the database as well: it is made for that.
        try? await BackgroundThread.value { store.close() }
        for id in waiters.keys { publishNow(id) }
    }

    /// Returns when all that was decided until now is on disk; at once while nothing can be written.
    func settle() async {
        guard let store, state.heldReason == nil else { return }
        await withCheckedContinuation { continuation in
            store.write([]) { continuation.resume() }
        }
    }

    func job(_ id: JobID) throws(ErrorReport) -> JobRecord {
        if let job = state.job(id) { return job }
        throw ErrorReport(error: "there is no job \(id)", hint: "`martlet ls` lists all jobs")
    }
}
