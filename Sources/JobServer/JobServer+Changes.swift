public import JobModel
internal import Scheduling

extension JobServer {
    /// Changes are told at most this often, in milliseconds, but for a job's end: nobody reads faster, and each telling costs
    /// a client a round trip.
    private static let publishInterval: Int64 = 50

    /// Answers at once where the job's version is not `version`, else with its next change or after `milliseconds`,
    /// whichever comes first. Pass 0 to be answered at once.
    public func waitForChange(_ id: JobID, after version: Int64, milliseconds: Int64)
        async throws(ErrorReport) -> JobChange
    {
        _ = try job(id)
        if milliseconds > 0, !isEnding, self.version(of: id) == version {
            await wait(id, milliseconds)
        }
        return JobChange(version: self.version(of: id), job: try summary(id))
    }

    private func wait(_ id: JobID, _ milliseconds: Int64) async {
        lastWaiter += 1
        let waiter = lastWaiter
        let timeout = Task { [weak self] in
            // Cancelled when the change came first.
            guard (try? await Task.sleep(for: .milliseconds(milliseconds))) != nil else { return }
            await self?.resume(waiter, of: id)
        }
        await withCheckedContinuation { waiters[id, default: [:]][waiter] = $0 }
        timeout.cancel()
    }

    /// Answers all that wait, and from now on everybody at once: the server is about to end.
    public func endWaiting() {
        isEnding = true
        for session in sessions.keys {
            take(.ended(.lost("the server was told to end")), ofSession: session)
        }
        for waiting in waiters.values { for waiter in waiting.values { waiter.resume() } }
        waiters = [:]
    }

    private func resume(_ waiter: Int, of id: JobID) {
        waiters[id]?.removeValue(forKey: waiter)?.resume()
    }

    func version(of id: JobID) -> Int64 {
        // Above those of every earlier server, at up to a thousand changes a millisecond.
        versions[id] ?? startedAt.start.milliseconds * 1024
    }

    func publish(_ id: JobID) {
        if state.job(id)?.isFinal == true { return publishNow(id) }
        unpublished.insert(id)
        guard !isPublishPlanned else { return }
        isPublishPlanned = true
        Task { [weak self] in
            // A cut-short pause only tells earlier.
            try? await Task.sleep(for: .milliseconds(Self.publishInterval))
            await self?.publishAll()
        }
    }

    private func publishAll() {
        isPublishPlanned = false
        for id in unpublished { publishNow(id) }
    }

    func publishNow(_ id: JobID) {
        unpublished.remove(id)
        if !sessions.isEmpty, state.job(id)?.isFinal == true { endSessions(waitingFor: id) }
        versions[id] = version(of: id) + 1
        for waiter in (waiters.removeValue(forKey: id) ?? [:]).values { waiter.resume() }
    }
}
