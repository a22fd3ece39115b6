import DequeModule
import JobModel

extension ServerState {
    mutating func start(_ record: StartRecord, on node: String, _ now: Timestamp) {
        // The node's clock may be fast: what counts from the start on would begin in times to come.
        var record = record
        record.started = min(record.started, now)
        let task = record.attempt.task
        guard let live = jobs[task.job]?.live[task.index], live.attempt == record.attempt.number
        else { return }
        var lane = live.lane
        if let gang = live.gang {
            guard let rank = gang.rank(on: node), gang.members[rank].started == nil else { return }
            jobs[task.job]?.live[task.index]?.gang?.members[rank].started = record.started
            lane = gang.members[rank].lane
        }
        lanes[lane]?.started = record.started
        if jobs[task.job]?.decisions.hold == .paused {
            // It was on its way when the job was paused.
            outbox.pauses[node, default: []].append(record.attempt)
        }
        if lane == live.lane {
            jobs[task.job]?.live[task.index]?.ports = record.ports ?? []
            jobs[task.job]?.live[task.index]?.enforcement = .init(record.enforcement)
        }
        guard live.started == nil else { return }
        jobs[task.job]?.live[task.index]?.started = record.started
        jobs[task.job]?.tasks[task.index] = .running
        // Or slow, and the time of the whole job would be over before it began.
        let first = max(record.started, lanes[lane]?.opened ?? record.started)
        noteFirstStart(task.job) { $0.noteStart(first, now) }
        outbox.changed.insert(task.job)
    }

    /// That a job has run is saved at once: after a restart an image that is gone must not end what runs.
    private mutating func noteFirstStart(_ id: JobID, _ note: (inout JobRecord) -> Void) {
        guard let place = jobs.index(forKey: id) else { return }
        let wasStarted = jobs.values[place].started != nil
        note(&jobs.values[place])
        if !wasStarted, jobs.values[place].started != nil { outbox.jobs.insert(id) }
    }

    /// The end of an attempt. A record of an older attempt, or one that was seen before, is acknowledged and changes nothing.
    mutating func end(_ record: ExitRecord, on node: String, _ now: Timestamp) {
        outbox.acknowledged[node, default: []].append(record.attempt)
        let task = record.attempt.task
        guard let place = jobs.index(forKey: task.job),
            let live = jobs.values[place].live[task.index],
            live.attempt == record.attempt.number
        else { return }
        guard live.gang == nil else { return endMember(record, on: node, now) }
        let placement = lanes[live.lane]?.placement
        leave(live.lane, task.index, now)
        conclude(record, live, on: node, now)
        noteHealth(record, on: node, now)
        noteGPUs(record, placement, now)
    }

    /// The end of an attempt that has left its node.
    /// - Parameter node: on which it ended as it did.
    mutating func conclude(
        _ record: ExitRecord, _ live: JobRecord.Live, on node: String, _ now: Timestamp
    ) {
        let task = record.attempt.task
        guard let place = jobs.index(forKey: task.job) else { return }
        var record = record
        if let overdue = live.overdue, record.cancelled, !live.cancelRequested {
            // The node only knows that it was to be stopped.
            record.cancelled = false
            record.timedOut = true
            record.timeLimit = overdue.limit
        }
        if !live.cancelRequested, !record.isSuccess { record.stopped = live.stopping }
        jobs.values[place].live[task.index] = nil
        noteFirstStart(task.job) { $0.noteDuration(of: record, now) }
        let history = jobs.values[place].history[task.index]
        let memory = history?.memory ?? jobs.values[place].spec.resources.memory
        if record.timedOut, record.timeLimit == nil {
            record.timeLimit = history?.time ?? live.told ?? jobs.values[place].spec.limits.time
        }
        let verdict = Verdict(
            record, policy: jobs.values[place].spec.retry,
            past: Verdict.Past(
                failures: history?.failures ?? 0, losses: history?.losses ?? 0, memory: memory,
                time: record.timeLimit),
            cancelRequested: live.cancelRequested)
        noteFailure(record, verdict, on: node, now)
        conclude(record.attempt, verdict, (record, memory), now)
    }

    private mutating func noteFailure(
        _ record: ExitRecord, _ verdict: Verdict, on node: String, _ now: Timestamp
    ) {
        if case .requeue = verdict { return }
        if case .final(let state) = verdict {
            guard state == .failed || state == .lost else { return }
            noteFirstFailure(record)
        }
        avoid(node, after: record, now)
    }

    private mutating func noteFirstFailure(_ record: ExitRecord) {
        let task = record.attempt.task
        guard let place = jobs.index(forKey: task.job),
            jobs.values[place].decisions.firstFailure == nil
        else { return }
        jobs.values[place].decisions.firstFailure = "\(task): \(record.briefly)"
        outbox.jobs.insert(task.job)
    }

    /// Puts a verdict on an attempt that is no longer with its node into the table, the database and the queues.
    mutating func conclude(
        _ attempt: AttemptID, _ verdict: Verdict, _ end: (record: ExitRecord, memory: Int64?)?,
        _ now: Timestamp
    ) {
        let task = attempt.task
        guard let place = jobs.index(forKey: task.job) else { return }
        var history =
            jobs.values[place].history[task.index] ?? JobRecord.History(attempt: attempt.number)
        history.attempt = attempt.number
        let state: TaskState
        switch verdict {
        case .final(let final):
            state = final
            if final == .failed || final == .lost { history.failures += 1 }
        case .retry(let retry):
            state = .queued
            if retry.isLoss { history.losses += 1 } else { history.failures += 1 }
            if let memory = retry.memory { history.memory = min(memory, largestMemory ?? memory) }
            if let time = retry.time { history.time = time }
            if retry.delay > 0 {
                postpone(task, until: Timestamp(milliseconds: now.milliseconds + retry.delay))
            }
        case .requeue: state = .queued
        }
        jobs.values[place].history[task.index] = history.isPlain ? nil : history
        jobs.values[place].tasks[task.index] = TaskTable.Mark(final: state)
        save(task, state, history, end)
        if state == .queued {
            if case .retry(let retry) = verdict, retry.delay > 0 {} else { makeReady(task) }
        } else {
            taskEnded(task, now)
        }
        outbox.changed.insert(task.job)
    }

    private mutating func save(
        _ task: TaskID, _ state: TaskState, _ history: JobRecord.History,
        _ end: (record: ExitRecord, memory: Int64?)?
    ) {
        outbox.tasks.append(
            end.map { .ended($0.record, state, history.budget, memory: $0.memory) }
                ?? .marked(task, state, history.budget))
    }

    /// A task is in a final state: others may go on, too many failures end the job, and the last task ends it anyway.
    mutating func taskEnded(_ task: TaskID, _ now: Timestamp) {
        releaseIndexed(task, now)
        endIfHopeless(task.job, now)
        finishIfDone(task.job, now)
    }

    mutating func endIfHopeless(_ id: JobID, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), jobs.values[place].failure == nil,
            let limit = jobs.values[place].spec.limits.failures
        else { return }
        let failures = jobs.values[place].counts.failed + jobs.values[place].counts.lost
        guard failures > limit.tolerated(of: jobs.values[place].taskCount) else { return }
        let first = jobs.values[place].decisions.firstFailure
        fail(
            id,
            "\(failures) task\(failures == 1 ? "" : "s") failed: limits.failures is passed"
                + (first.map { "; the first was \($0)" } ?? ""), now)
    }

    mutating func finishIfDone(_ id: JobID, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id), jobs.values[place].ended == nil,
            jobs.values[place].counts.finished == jobs.values[place].taskCount
        else { return }
        let notify = jobs.values[place].spec.notify
        jobs[id]?.ended = now
        jobs[id]?.again = []
        jobs[id]?.raised = [:]
        active.removeAll { $0 == id }
        // Others may have waited for it, or for its group.
        needsPlan = true
        imageRetries[id] = nil
        outbox.jobs.insert(id)
        outbox.changed.insert(id)
        outbox.later.append(.forget(id))
        if let state = jobs[id]?.state, let notify,
            notify.on.contains(.finished) || notify.on.contains(.failed) && state == .failed
        {
            outbox.later.append(.notify(id, state))
        }
        releaseDependents(of: id, now)
    }

    mutating func postpone(_ task: TaskID, until due: Timestamp) {
        // Few at a time, and mostly later than all others: an insertion from the front of a reversed list.
        let place = delayed.firstIndex { $0.due <= due } ?? delayed.count
        delayed.insert(Delayed(due: due, task: task), at: place)
    }

    /// Puts a queued task where the next plan finds it.
    mutating func makeReady(_ task: TaskID) {
        guard let place = jobs.index(forKey: task.job),
            jobs.values[place].tasks[task.index] == .queued
        else { return }
        needsPlan = true
        if let memory = jobs.values[place].history[task.index]?.memory {
            jobs.values[place].raised[memory, default: []].append(task.index)
        } else {
            jobs.values[place].again.append(task.index)
        }
    }

    /// Bytes of the largest node; nil where none is known.
    private var largestMemory: Int64? { pool.nodes.map(\.resources.memory).max() }
}

extension JobRecord {
    /// A moving mean over about the last eight attempts.
    mutating func noteDuration(of record: ExitRecord, _ now: Timestamp) {
        guard let started = record.started, record.status != .neverStarted else { return }
        let pauses = decisions.pausedTime(from: started, to: record.ended)
        let duration = Double(max(0, record.ended.milliseconds - started.milliseconds - pauses))
        meanDuration = meanDuration.map { $0 + (duration - $0) / 8 } ?? duration
        if record.isSuccess { durations.add(Int64(duration)) }
        if spec.limits.timeOverMedian != nil { durations.measure() }
        noteStart(started, now)
    }

    /// Whatever a node's clock says, it was after the submit and is not to come.
    mutating func noteStart(_ moment: Timestamp, _ now: Timestamp) {
        let moment = min(max(moment, submitted), now)
        started = started.map { min($0, moment) } ?? moment
    }
}
