internal import DequeModule
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Saves what is to be saved, and does the rest once that is on disk. What tells nobody anything is done at once.
    func carryOut(_ effects: [Effect]) {
        var writes: [StoreWrite] = []
        var jobs: [JobID] = []
        var later: [Effect] = []
        var notifications: [StoredNotification] = []
        for effect in effects {
            switch effect {
            case .saveJob(let id): jobs.append(id)
            case .saveNode(let name, let incarnation):
                writes.append(
                    .node(
                        name, agentEpoch: incarnation.agentEpoch,
                        launcherEpoch: incarnation.launcherEpoch, bootID: incarnation.bootID))
            case .saveSpec(let id):
                guard let job = state.job(id) else { continue }
                writes.append(.spec(id, job.spec, taskCount: job.taskCount))
                noteGoals(of: id)
            case .removeNode(let name): writes.append(.nodeRemoved(name))
            case .saveTasks(let changes):
                for row in changes.lazy.flatMap(write) {
                    notifications += self.notifications(of: row)
                    writes.append(row)
                    if var event = EventDraft(of: row, at: now) {
                        if event.reason == nil, event.state == TaskState.cancelled.rawValue {
                            event.reason = event.job.flatMap(state.job)?.failure
                        }
                        writes.append(.event(event))
                    }
                }
            case .fetchImage(let id): fetchImage(of: id)
            case .wake(let time): wake(at: time)
            case .notify(let id, let outcome): notifications += ends(of: id, outcome)
            default: later.append(effect)
            }
        }
        writes += takeChangedBests()
        // After the tasks: the job's row quotes the last failure among them.
        writes += jobs.compactMap(progress).map { .job($0) }
        if !jobs.isEmpty { logEvents(of: jobs, &writes) }
        writes += notifications.map { .notification($0) }
        if writes.isEmpty, uncommitted.isEmpty { return perform(later) }
        if writes.isEmpty, later.isEmpty { return }
        let ends = jobs.filter { state.job($0)?.isFinal == true }
        uncommitted.append(
            PendingCommit(effects: later, ends: ends, notifications: notifications))
        save(writes, .committed)
    }

    /// What may be told now.
    func perform(_ effects: [Effect]) {
        // Records that are on disk go along with the tasks that take their places, so that a node is woken once.
        let acknowledged = acknowledge(effects)
        defer { for name in acknowledged { nodes[name]?.line.sendQueued() } }
        for effect in effects {
            switch effect {
            case .run(let name, let connection, let dispatches):
                run(dispatches, on: name, connection: connection)
            case .cancel(let name, let attempts):
                nodes[name]?.send(takeBack(attempts, from: name, cancelled: true)) { .cancel($0) }
            case .recall(let name, let attempts):
                nodes[name]?.send(takeBack(attempts, from: name, cancelled: false)) { .recall($0) }
            case .pause(let name, let attempts):
                guard nodes[name]?.skills.contains(AgentSkill.pause) == true else { continue }
                nodes[name]?.send(attempts) { .pause($0) }
            case .resume(let name, let attempts):
                guard nodes[name]?.skills.contains(AgentSkill.pause) == true else { continue }
                nodes[name]?.send(attempts) { .resume($0) }
            case .retell(let id): retell(id)
            case .quarantined(let name, let reason):
                note("node \(name) gets no more tasks: \(reason)")
                write([
                    .drained(name, reason: reason, isQuarantine: true),
                    nodeEvent(.nodeQuarantined, name, reason),
                ])
            case .gpuQuarantined(let name, let gpu, let reason):
                note("GPU \(gpu) of node \(name) gets no more tasks: \(reason)")
                write([.gpuClosed(node: name, gpu: gpu, reason: reason)])
            case .forget(let id): forget(id)
            case .changed(let id): publish(id)
            default: break
            }
        }
    }

    private func acknowledge(_ effects: [Effect]) -> Set<String> {
        var names: Set<String> = []
        for case .acknowledge(let name, let attempts) in effects {
            nodes[name]?.queue(attempts) { .acknowledge($0) }
            nodes[name]?.files?.acknowledged(attempts)
            names.insert(name)
        }
        return names
    }

    private func forget(_ id: JobID) {
        // Somebody may have asked for it again meanwhile.
        guard let job = state.job(id), job.isFinal else { return }
        for name in nodes.keys {
            nodes[name]?.send(.forget(id))
            nodes[name]?.announced.remove(id)
            nodes[name]?.waiting[id] = nil
            nodes[name]?.supplies[id] = nil
            let other = nodes[name]?.restored.filter { $0.task.job != id } ?? []
            nodes[name]?.restored = Set(other)
            let named = nodes[name]?.named.filter { $0.task.job != id } ?? []
            nodes[name]?.named = Set(named)
        }
        seams.forgetMounts(id)
        expansions[id] = nil
        toldValues[id] = nil
        images[id] = nil
        if case .layers? = roots.removeValue(forKey: id) { seams.releaseImage(id) }
        state.unload(id)
        for dependency in job.dependencies { state.unload(dependency.job) }
        repeatSoon(job)
    }

    private func wake(at time: Timestamp) {
        wakeUp?.cancel()
        // The wall clock may be set meanwhile, and nobody says so.
        let pause = min(max(0, time.milliseconds - now.milliseconds), 60_000)
        wakeUp = pace.start { [inbox, pace] in
            // Cancelled means that another time was asked for.
            guard (try? await pace.sleep(pause)) != nil else { return }
            inbox.post(.event(.tick))
        }
    }

    // MARK: Rows

    func progress(of id: JobID) -> JobProgress? {
        state.job(id).map {
            var progress = JobProgress(
                id: id, started: $0.started, ended: $0.ended, digest: $0.digest,
                failure: $0.failure, lastFailure: lastFailures[id], counts: $0.counts)
            progress.decisions = $0.decisions
            return progress
        }
    }

    private func write(_ change: TaskChange) -> [StoreWrite] {
        switch change {
        case .dispatched(let dispatch):
            forgetBest(of: dispatch.attempt.task)
            return [
                .dispatched(
                    dispatch.attempt, dispatch.placement, memory: dispatch.memory,
                    gang: dispatch.gang)
            ]
        case .partEnded(let task, let gang): return [.gang(task, gang)]
        case .cancelling(let task): return [.cancelling(task)]
        case .overdue(let task): return [.overdue(task)]
        case .pointed(let task):
            return (expansions[task.job]?.point(at: task.index)).map { [.point(task, $0)] } ?? []
        case .reached(let record):
            noteBest(record)
            return [.reached(record)]
        case .stopping(let task, let reason): return [.stopping(task, reason)]
        case .ended(let record, let outcome, let budget, let memory):
            tellSampler(record.attempt.task, outcome, record.metrics)
            noteBest(record, outcome)
            let job = state.job(record.attempt.task.job)
            let causes = [
                EndReason.text(record, outcome, spec: job?.spec, memory: memory),
                EndReason.missing(record),
            ].compactMap { $0 }
            let reason = causes.isEmpty ? nil : causes.joined(separator: "; ")
            if let reason, outcome == .failed || outcome == .lost {
                lastFailures[record.attempt.task.job] = "\(record.attempt.task): \(reason)"
            }
            return [
                .ended(
                    record, outcome, failures: budget.failures, memory: budget.memory,
                    reason: reason)
            ] + extended(record.attempt.task, budget)
        case .marked(let task, let outcome, let budget):
            tellSampler(task, outcome, [:])
            forgetTold(of: task)
            return [
                .marked(
                    task, outcome, attempt: budget.attempt, failures: budget.failures,
                    memory: budget.memory,
                    reason: outcome == .cancelled ? state.job(task.job)?.failure : nil)
            ] + extended(task, budget)
        case .markedUntouched(let id, let range, let outcome): return [.range(id, range, outcome)]
        }
    }

    private func extended(_ task: TaskID, _ budget: TaskBudget) -> [StoreWrite] {
        budget.time == nil && budget.losses == 0
            ? [] : [.extended(task, time: budget.time, losses: budget.losses)]
    }
}
