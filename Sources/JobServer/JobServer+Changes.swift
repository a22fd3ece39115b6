public import JobModel
internal import LinuxSystem
internal import Scheduling
internal import StateStore

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
        samplers = [:]
        for session in sessions.keys {
            take(.ended(.lost("the server was told to end")), ofSession: session)
        }
        for waiting in waiters.values { for waiter in waiting.values { waiter.resume() } }
        waiters = [:]
        for (_, waiter) in endWaiters.values { waiter.resume() }
        endWaiters = [:]
        tellEventReaders()
    }

    /// Those of the jobs that have ended, or are held by what will not go away by itself, as soon as there are `count` of
    /// them, or after `milliseconds`; in the order given.
    public func waitForEnds(_ ids: [JobID], count: Int, milliseconds: Int64)
        async throws(ErrorReport) -> [JobSummary]
    {
        let deadline = Clock.sinceBoot() + milliseconds
        while true {
            var settled: [JobSummary] = []
            for id in ids {
                let summary = try summary(id)
                if summary.isSettled { settled.append(summary) }
            }
            let left = deadline - Clock.sinceBoot()
            guard settled.count < min(count, ids.count), left > 0, !isEnding else { return settled }
            let known = Set(settled.map(\.id))
            await waitForChange(ofAny: Set(ids).subtracting(known), left)
        }
    }

    private func waitForChange(ofAny ids: Set<JobID>, _ milliseconds: Int64) async {
        lastWaiter += 1
        let waiter = lastWaiter
        let timeout = Task { [weak self] in
            // Cancelled when the change came first.
            guard (try? await Task.sleep(for: .milliseconds(milliseconds))) != nil else { return }
            await self?.resumeEndWaiter(waiter)
        }
        await withCheckedContinuation { endWaiters[waiter] = (ids, $0) }
        timeout.cancel()
    }

    private func resumeEndWaiter(_ waiter: Int) {
        endWaiters.removeValue(forKey: waiter)?.1.resume()
    }

    private func resume(_ waiter: Int, of id: JobID) {
        waiters[id]?.removeValue(forKey: waiter)?.resume()
    }

    func version(of id: JobID) -> Int64 {
        // Above those of every earlier server, at up to a thousand changes a millisecond.
        versions[id] ?? (store?.epoch ?? startedAt.start.milliseconds) * 1024
    }

    func publish(_ id: JobID) {
        if state.job(id)?.isFinal == true { return publishNow(id) }
        unpublished.insert(id)
        guard !isPublishPlanned else { return }
        isPublishPlanned = true
        pace.start { [weak self, pace] in
            // A cut-short pause only tells earlier.
            try? await pace.sleep(Self.publishInterval)
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
        for (waiter, (jobs, _)) in endWaiters where jobs.contains(id) { resumeEndWaiter(waiter) }
    }
}
