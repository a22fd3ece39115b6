internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Fills the state from the database, and returns the nodes that are to be connected.
    func restore(from store: StateStore) async throws(ErrorReport) -> RestoredNodes {
        let (stored, jobs) = try await read { () throws(StoreError) in
            let stored = try store.restore()
            var jobs = stored.jobs.map { RestoredJob($0) }
            let needed = RestoredJob.needingTasks(jobs)
            for place in jobs.indices where needed.contains(jobs[place].job.id) {
                try jobs[place].fill(from: store)
            }
            return (stored, jobs)
        }
        let live = stored.jobs.filter { $0.progress.ended == nil }.map(\.progress.id)
        seams.holdNoImagesBut(Set(live))
        var broken: [ServerEvent] = []
        let whole = Dictionary(
            jobs.lazy.filter(\.isWhole).map { ($0.job.id, $0) }, uniquingKeysWith: { $1 })
        for job in stored.jobs {
            places.note(job.progress.id, job.spec)
            lastFailures[job.progress.id] = job.progress.lastFailure
            restoreBest(job, whole[job.progress.id])
            logged[job.progress.id] = LoggedJob(
                started: job.progress.started, ended: job.progress.ended)
            guard job.progress.ended == nil else { continue }
            if seams.writesFolder() { JobFolder.mend(job.progress.id, in: directories) }
            do throws(ErrorReport) {
                expansions[job.progress.id] = try await expansion(of: job.progress.id, job.spec)
            } catch { broken.append(.jobFailed(job.progress.id, reason: error.error)) }
            if job.spec.image == "host" { roots[job.progress.id] = .host }
        }
        let incarnations = stored.nodes.map {
            (
                $0.name,
                NodeIncarnation(
                    agentEpoch: $0.agentEpoch, launcherEpoch: $0.launcherEpoch,
                    bootID: $0.bootID)
            )
        }
        // Before anything that this server decides: what it writes is no earlier one's.
        let due = try await restoreTold(from: store)
        carryOut(
            state.restore(
                jobs, nodes: Dictionary(incarnations, uniquingKeysWith: { $1 }), now: now))
        if !broken.isEmpty { apply(broken) }
        // An earlier version kept none, and a killed server may have been about to look for another.
        for job in stored.jobs
        where job.progress.ended == nil && job.best == nil
            && (state.job(job.progress.id)?.counts).map({ $0.succeeded + $0.stopped > 0 }) == true
        {
            reviseBest(of: job.progress.id)
        }
        for notification in due { deliver(notification) }
        let others = Set(stored.machines.map(\.name))
        // A machine may change its name, and its tasks stay its own.
        let localName =
            stored.nodes.first { !others.contains($0.name) }?.name ?? Self.hostname()
        return RestoredNodes(
            localName: localName, machines: stored.machines, drained: stored.drained,
            quarantined: stored.quarantined, closedGPUs: stored.closedGPUs)
    }

    /// Reads the tasks of an ended job back, before one of them is queued again.
    func load(_ id: JobID) async throws(ErrorReport) {
        guard !(try job(id).isLoaded), let store else { return }
        let restored = try await read { () throws(StoreError) -> RestoredJob? in
            guard let stored = try store.job(id) else { return nil }
            var restored = RestoredJob(stored)
            try restored.fill(from: store)
            return restored
        }
        if let restored { state.load(restored, now: now) }
    }

    /// Loads the jobs whose tasks are followed one by one. When it returns, all of them are there.
    func loadFollowed(_ dependencies: [JobDependency]) async throws(ErrorReport) {
        while let id = unloaded(dependencies) { try await load(id) }
    }

    func areLoaded(_ dependencies: [JobDependency]) -> Bool { unloaded(dependencies) == nil }

    private func unloaded(_ dependencies: [JobDependency]) -> JobID? {
        dependencies.first {
            $0.condition == .each && state.job($0.job)?.isLoaded == false
        }?.job
    }

    private static func hostname() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// The nodes as the database has them.
struct RestoredNodes: Sendable {
    var localName: String
    var machines: [NodeSpec]
    /// Why those take no work that their user drained, and those that a server took out.
    var drained: [String: String]
    var quarantined: [String: String]
    /// By node and GPU.
    var closedGPUs: [String: [String: String]]
}

extension RestoredJob {
    init(_ stored: StoredJob) {
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
        decisions = stored.progress.decisions
    }

    mutating func fill(from store: StateStore) throws(StoreError) {
        fill(try store.tasks(of: job.id))
        if job.spec.sweep.sample?.sampler != nil { points = try store.points(of: job.id).count }
        if job.spec.search != nil { rungs = try store.rungs(of: job.id) }
    }

    private mutating func fill(_ stored: StoredTasks) {
        isWhole = true
        ranges = stored.ranges
        tasks = stored.rows.map { row in
            var task = Task(
                index: row.index, state: row.state,
                budget: TaskBudget(
                    attempt: row.attempt, failures: row.failures, losses: row.losses,
                    memory: row.memory, time: row.time),
                placement: row.placement, cancelRequested: row.isCancelling, ended: row.ended,
                gang: row.gang)
            task.started = row.started
            task.isOverdue = row.isOverdue
            if row.isStopping { task.stopping = row.reason }
            return task
        }
    }
}
