public import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Ends the selected tasks that have not ended. Queued ones are cancelled, on disk, when it returns; running ones get their
    /// signal, their grace and then SIGKILL. Returns how many tasks it met, by job in the order given.
    public func cancel(_ selections: [TaskSelection]) async throws(ErrorReport) -> [Int] {
        try checkWritable("cancel")
        var counts: [Int] = []
        for selection in selections {
            _ = try job(selection.job)
            counts.append(state.count(selection, in: [.queued, .running]))
        }
        apply(selections.map { .cancelRequested($0) })
        try await settle()
        return counts
    }

    /// Queues again, on disk, those of the selected tasks that ended in one of `states`, as new attempts. A job whose image could
    /// not be brought in tries that again. Returns how many tasks it queued, by job in the order given.
    public func retry(
        _ selections: [TaskSelection], states: Set<TaskState> = [.failed, .cancelled, .lost]
    ) async throws(ErrorReport) -> [Int] {
        try checkWritable("retry")
        let ids = Set(selections.map(\.job))
        // A job may end, and be unloaded, while another is prepared.
        while let id = try firstUnprepared(ids) { try await prepare(id) }
        let counts = selections.map { state.count($0, in: states.filter(\.isFinal)) }
        // Jobs before those that wait for them, or these would still see the old end.
        let ordered = selections.sorted { $0.job < $1.job }
        apply(ordered.map { .retryRequested($0, states) })
        try await settle()
        return counts
    }

    /// A job that lacks something that it needs to run again.
    func firstUnprepared(_ ids: Set<JobID>) throws(ErrorReport) -> JobID? {
        for id in ids {
            let job = try job(id)
            guard job.isLoaded, expansions[id] != nil, areLoaded(job.dependencies) else {
                return id
            }
        }
        return nil
    }

    func prepare(_ id: JobID) async throws(ErrorReport) {
        try await load(id)
        let job = try job(id)
        try await loadFollowed(job.dependencies)
        guard expansions[id] == nil else { return }
        expansions[id] = try await expansion(of: id, job.spec)
        if job.spec.image == "host" { roots[id] = .host }
    }

    /// Writes what is left to write and lets go of the nodes. Tasks run on, unless `stopNodes` ends them, their launcher
    /// and their agent; those are queued again at the next start. While nothing can be written they are not ended: that they
    /// are queued again would be forgotten.
    public func shutdown(stopNodes: Bool) async {
        endWaiting()
        guard let store else { return }
        if stopNodes, state.heldReason == nil {
            // A server may have been started only to be told this.
            await awaitNode(isConnected: true)
            apply(nodes.keys.sorted().map { .nodeStopping($0) })
        }
        do throws(ErrorReport) {
            try await settle()
            if stopNodes {
                for node in nodes.values { node.send(.shutdown) }
                // The message has to be out before this process is gone.
                await awaitNode(isConnected: false)
            }
        } catch { note("the end is not on disk: \(error.error)") }
        for node in nodes.values { node.line.close() }
        nodes = [:]
        self.store = nil
        wakeUp?.cancel()
        // Without a thread to wait on, the process's end closes the database as well: it is made for that.
        try? await pace.value { store.close() }
    }

    /// Waits for the node's line to stand or to end, some seconds at most.
    func awaitNode(isConnected: Bool) async {
        let deadline = Clock.sinceBoot() + 5000
        while state.nodeReports.contains(where: \.isConnected) != isConnected,
            Clock.sinceBoot() < deadline
        {
            // A pause cut short only looks earlier.
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Returns when all that was decided until now is on disk; throws as soon as it cannot be written. It is kept, and written
    /// when there is room, but whoever asked is not told that it is safe.
    public func settle() async throws(ErrorReport) {
        try checkWritable("save")
        lastSettler += 1
        let settler = lastSettler
        let isOnDisk = await withCheckedContinuation { continuation in
            settlers[settler] = continuation
            if !save([], .settled(settler)) {
                settlers.removeValue(forKey: settler)?.resume(returning: false)
            }
        }
        guard !isOnDisk else { return }
        throw ErrorReport(
            error: "not saved yet: \(state.heldReason ?? "the database cannot be written")",
            hint: "it is saved as soon as it can be, unless the server ends before")
    }

    func failSettlers() {
        for settler in settlers.values { settler.resume(returning: false) }
        settlers = [:]
    }

    func checkWritable(_ step: String) throws(ErrorReport) {
        guard store != nil else { throw ErrorReport(error: "the server is not running") }
        if let reason = state.heldReason { throw ErrorReport(error: "\(step): \(reason)") }
    }

    func job(_ id: JobID) throws(ErrorReport) -> JobRecord {
        if let job = state.job(id) { return job }
        throw ErrorReport(error: "there is no job \(id)", hint: "`martlet ls` lists all jobs")
    }
}
