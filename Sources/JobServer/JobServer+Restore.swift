internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Fills the state from the database. Returns the name of the local node.
    func restore(from store: StateStore) async throws(ErrorReport) -> String {
        let stored = try await read { () throws(StoreError) in
            let state = try store.restore()
            var tasks: [JobID: StoredTasks] = [:]
            for job in state.jobs where job.progress.ended == nil {
                tasks[job.progress.id] = try store.tasks(of: job.progress.id)
            }
            return (state, tasks)
        }
        for job in stored.0.jobs {
            lastFailures[job.progress.id] = job.progress.lastFailure
            guard job.progress.ended == nil else { continue }
            expansions[job.progress.id] = try await SubmitCheck.points(of: job.spec)
            if job.spec.image == "host" { roots[job.progress.id] = .host }
        }
        let incarnations = stored.0.nodes.map {
            (
                $0.name,
                NodeIncarnation(
                    agentEpoch: $0.agentEpoch, launcherEpoch: $0.launcherEpoch,
                    bootID: $0.bootID)
            )
        }
        carryOut(
            state.restore(
                stored.0.jobs.map { RestoredJob($0, stored.1[$0.progress.id]) },
                nodes: Dictionary(incarnations, uniquingKeysWith: { $1 }), now: now))
        // A machine may change its name, and its tasks stay its own.
        return stored.0.nodes.first?.name ?? Self.hostname()
    }

    /// Reads the tasks of an ended job back, before one of them is queued again.
    func load(_ id: JobID) async throws(ErrorReport) {
        guard !(try job(id).isLoaded), let store else { return }
        let stored = try await read { () throws(StoreError) -> (StoredJob?, StoredTasks) in
            (
                try store.restore().jobs.first { $0.progress.id == id },
                try store.tasks(of: id)
            )
        }
        if let job = stored.0 { state.load(RestoredJob(job, stored.1)) }
    }

    private static func hostname() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension RestoredJob {
    init(_ stored: StoredJob, _ tasks: StoredTasks?) {
        // Written by this module; an unreadable list would be a job without dependencies, which were met or not long ago.
        let dependencies =
            (try? JSONDecoder().decode([JobDependency].self, from: Data(stored.dependencies)))
            ?? []
        self.init(
            NewJob(
                id: stored.progress.id, spec: stored.spec, taskCount: stored.taskCount,
                submitted: stored.submitted, dependencies: dependencies))
        started = stored.progress.started
        ended = stored.progress.ended
        digest = stored.progress.digest
        failure = stored.progress.failure
        counts = stored.progress.counts
        ranges = tasks?.ranges ?? []
        self.tasks = (tasks?.rows ?? []).map { row in
            Task(
                index: row.index, state: row.state,
                budget: TaskBudget(
                    attempt: row.attempt, failures: row.failures, memory: row.memory),
                placement: row.placement, cancelRequested: row.isCancelling)
        }
    }
}
