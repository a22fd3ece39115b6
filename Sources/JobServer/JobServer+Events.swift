public import JobModel
internal import LinuxSystem
internal import Scheduling
internal import StateStore

// The log of events: what is written beside the rows that it tells of, in the same commit, and how it is read.

/// What the log says of a job.
struct LoggedJob: Hashable {
    var started: Timestamp?
    var ended: Timestamp?
}

extension JobServer {
    func nodeEvent(_ kind: EventReport.Kind, _ name: String, _ reason: String? = nil)
        -> StoreWrite
    {
        var event = EventDraft(kind, at: now)
        event.node = name
        event.reason = reason
        return .event(event)
    }

    /// Beginnings before the tasks' events, ends after them, each once.
    func logEvents(of ids: [JobID], _ writes: inout [StoreWrite]) {
        var starts: [StoreWrite] = []
        for job in ids.compactMap(state.job) {
            let (known, current) = (
                logged[job.id], LoggedJob(started: job.started, ended: job.ended)
            )
            logged[job.id] = current
            if job.started != nil, known?.started == nil {
                starts.append(.event(event(.jobStarted, job)))
            }
            if known?.ended != nil, job.ended == nil {
                starts.append(.event(event(.jobResumed, job)))
            }
            if job.ended != nil, known?.ended != job.ended {
                var end = event(.jobEnded, job)
                end.reason = job.failure
                end.started = job.started
                end.counts = job.counts
                writes.append(.event(end))
            }
        }
        writes.insert(contentsOf: starts, at: 0)
    }

    private func event(_ kind: EventReport.Kind, _ job: JobRecord) -> EventDraft {
        var event = EventDraft(kind, at: now, job: job.id)
        // What happened at once with its beginning has events of its own.
        let state: JobState =
            switch kind {
            case .jobStarted: .running
            case .jobResumed: .queued
            default: job.state
            }
        event.state = state.rawValue
        return event
    }

    // MARK: Read

    /// Events of one answer, at most.
    private static let eventPage = 1000
    /// Milliseconds after which one who waits is told that there is nothing.
    private static let eventPatience: Int64 = 15_000
    /// Commits come every few milliseconds: what several of them brought is read at once.
    private static let eventPause: Duration = .milliseconds(20)

    /// The number of the newest event on disk.
    public func lastEvent() async throws(ErrorReport) -> Int64 {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        return try await read { () throws(StoreError) in try store.lastEvent() }
    }

    /// The next events after `sequence`, those of some jobs alone where jobs are given; nil where there are none and none are
    /// waited for. With `follow` it waits for some, but not for ever: then the answer is empty. Nobody waits for events of jobs
    /// that have all ended, nor of a server that is about to.
    public func events(after sequence: Int64, of jobs: [JobID], follow: Bool)
        async throws(ErrorReport) -> EventPage?
    {
        for id in jobs { _ = try job(id) }
        var sequence = sequence
        while let store {
            let pulse = eventPulse
            // Asked before the reading: what ends later has an event that is read next time.
            let isOver = !follow || isEnding || haveEnded(jobs)
            let start = sequence
            let page = try await read { () throws(StoreError) in
                try store.events(after: start, of: jobs, limit: Self.eventPage)
            }
            if !page.events.isEmpty { return page }
            if isOver { return nil }
            sequence = page.end
            guard eventPulse == pulse else { continue }
            await waitForEvents()
            if eventPulse == pulse { return page }
            // A pause cut short only reads earlier.
            try? await Task.sleep(for: Self.eventPause)
        }
        return nil
    }

    /// On disk; false of no jobs.
    func haveEnded(_ jobs: [JobID]) -> Bool {
        !jobs.isEmpty && jobs.compactMap(state.job).allSatisfy(isEnded)
    }

    /// Whether nothing more is to come of what is asked for: the jobs have ended, rather than the server.
    public func isOver(_ jobs: [JobID]) -> Bool { haveEnded(jobs) }

    private func waitForEvents() async {
        lastWaiter += 1
        let reader = lastWaiter
        let timeout = Task { [weak self] in
            // Cancelled when events came first.
            guard (try? await Task.sleep(for: .milliseconds(Self.eventPatience))) != nil else {
                return
            }
            await self?.resumeEventReader(reader)
        }
        await withCheckedContinuation { eventReaders[reader] = $0 }
        timeout.cancel()
    }

    private func resumeEventReader(_ reader: Int) {
        eventReaders.removeValue(forKey: reader)?.resume()
    }

    /// Something was committed.
    func tellEventReaders() {
        eventPulse += 1
        for reader in eventReaders.values { reader.resume() }
        eventReaders = [:]
    }
}

extension EventDraft {
    /// What a row that is written tells of a task; nil where it tells nothing that is one's business.
    init?(of write: StoreWrite, at time: Timestamp) {
        func event(_ kind: EventReport.Kind, _ task: TaskID, _ state: TaskState) -> EventDraft {
            var event = EventDraft(kind, at: time, job: task.job)
            event.tasks = task.index..<task.index + 1
            event.state = state.rawValue
            return event
        }
        switch write {
        case .dispatched(let attempt, let placement, _, _):
            self = event(.taskSent, attempt.task, .running)
            self.attempt = attempt.number
            node = placement.node
        case .ended(let record, let outcome, _, _, let reason):
            let isGivenBack = record.status == .neverStarted && !outcome.isFinal
            self = event(isGivenBack ? .taskQueued : .taskEnded, record.attempt.task, outcome)
            attempt = record.attempt.number
            if case .code(let value) = record.status { code = value }
            if case .signal(let value) = record.status { signal = value }
            started = record.started
            self.reason = reason
        case .marked(let task, let outcome, let number, _, _, let reason):
            self = event(outcome.isFinal ? .taskEnded : .taskQueued, task, outcome)
            attempt = number == 0 ? nil : number
            self.reason = reason
        case .range(let job, let range, let outcome):
            self.init(outcome.isFinal ? .taskEnded : .taskQueued, at: time, job: job)
            tasks = range
            state = outcome.rawValue
        default: return nil
        }
    }
}
