internal import JobModel
internal import Scheduling
internal import StateStore

// The best task so far of each job that names a metric: a comparison for each end, and a row to write where it is better.

extension JobServer {
    /// A task's end is being saved.
    func noteBest(_ record: ExitRecord, _ outcome: TaskState) {
        let task = record.attempt.task
        forgetTold(of: task)
        guard let goal = state.job(task.job)?.spec.metrics.first,
            outcome == .succeeded || outcome == .stopped,
            let value = record.metrics[goal.name], value.isFinite,
            bests[task.job].map({ goal.isBetter(value, than: $0.value) }) ?? true
        else { return }
        bests[task.job] = BestReport(
            goal, value, task: task.index, params: params(of: task))
        changedBests.insert(task.job)
    }

    /// To be written with the ends that made them.
    func takeChangedBests() -> [StoreWrite] {
        defer { changedBests = [] }
        return changedBests.map { .best($0, bests[$0]) }
    }

    /// A running task told of its metric.
    func noteBest(_ record: RungRecord) {
        let task = record.attempt.task
        guard let job = state.job(task.job),
            job.spec.search?.metric.name == job.spec.metrics.first?.name
        else { return }
        toldValues[task.job, default: [:]][task.index] = record.value
        publish(task.job)
    }

    /// A task begins anew: what it left before counts no more.
    func forgetBest(of task: TaskID) {
        forgetTold(of: task)
        if bests[task.job]?.task == task.index { reviseBest(of: task.job) }
    }

    /// It runs no longer.
    func forgetTold(of task: TaskID) { toldValues[task.job]?[task.index] = nil }

    /// The job goes on with another spec.
    func noteGoals(of id: JobID) {
        guard let job = state.job(id) else { return }
        if bests[id]?.isOf(job.spec.metrics.first) != true { reviseBest(of: id) }
    }

    /// From the database, once what is being saved is there.
    func reviseBest(of id: JobID) {
        bests[id] = nil
        changedBests.insert(id)
        guard state.job(id)?.spec.metrics.isEmpty == false else { return }
        Task { [weak self] in await self?.readBest(of: id) }
    }

    private func readBest(of id: JobID) async {
        while let store, let goal = state.job(id)?.spec.metrics.first {
            // Where nothing can be written or read there is no best until the next end, or the next server.
            guard (try? await settle()) != nil,
                let found = try? await read({ () throws(StoreError) in
                    try store.best(of: id, by: goal)
                }),
                let job = state.job(id), job.spec.metrics.first == goal
            else { return }
            // Begun anew meanwhile, which is on disk after the next look.
            if job.isLoaded, !job.state(of: found.index).isFinal { continue }
            guard bests[id].map({ goal.isBetter(found.value, than: $0.value) }) ?? true else {
                return
            }
            bests[id] = BestReport(
                goal, found.value, task: found.index,
                params: params(of: TaskID(job: id, index: found.index)))
            write([.best(id, bests[id])])
            return publish(id)
        }
    }

    /// Among those that ended and those that run.
    func best(of job: JobRecord) -> BestReport? {
        let ended = bests[job.id]
        guard !job.isFinal, let goal = job.spec.metrics.first,
            let told = toldValues[job.id]?.min(by: {
                goal.isBetter($0.value, than: $1.value)
                    || $0.value == $1.value && $0.key < $1.key
            }), ended.map({ goal.isBetter(told.value, than: $0.value) }) ?? true
        else { return ended }
        return BestReport(
            goal, told.value, task: told.key,
            params: params(of: TaskID(job: job.id, index: told.key)), isRunning: true)
    }

    /// As an earlier server left it, or one that did not keep it.
    func restoreBest(_ stored: StoredJob, _ restored: RestoredJob?) {
        let id = stored.progress.id
        bests[id] = stored.best
        guard stored.progress.ended == nil, let restored else { return }
        let running = Dictionary(
            restored.tasks.lazy.filter { $0.state == .running }.map {
                ($0.index, $0.budget.attempt)
            }, uniquingKeysWith: { $1 })
        // By rung: what was told last holds.
        if stored.spec.search?.metric.name == stored.spec.metrics.first?.name {
            for record in restored.rungs
            where running[record.attempt.task.index] == record.attempt.number {
                toldValues[id, default: [:]][record.attempt.task.index] = record.value
            }
        }
    }

    private func params(of task: TaskID) -> [String: ParameterValue] {
        let points =
            expansions[task.job]
            ?? lastExpansion.flatMap {
                $0.job == task.job ? $0.points : nil
            }
        return Dictionary(
            points?.point(at: task.index).parameters.map { ($0.name, $0.value) } ?? [],
            uniquingKeysWith: { $1 })
    }
}
