public import JobModel

/// A job as the database has it.
public struct RestoredJob: Sendable {
    /// A task with a row of its own.
    public struct Task: Sendable {
        public var index: Int
        public var state: TaskState
        public var budget: TaskBudget
        /// Where it is, if its last attempt is with a node.
        public var placement: Placement?
        public var cancelRequested: Bool
        /// When its last attempt ended.
        public var ended: Timestamp?
        /// All of its places, where its last attempt is with several nodes.
        public var gang: Gang?
        /// When its last attempt started.
        public var started: Timestamp?
        /// Its last attempt is being stopped since it ran for too long.
        public var isOverdue = false
        /// Its last attempt is being stopped by the job's search, and why.
        public var stopping: String?
        public init(
            index: Int, state: TaskState, budget: TaskBudget, placement: Placement?,
            cancelRequested: Bool, ended: Timestamp? = nil, gang: Gang? = nil
        ) {
            self.index = index
            self.state = state
            self.budget = budget
            self.placement = placement
            self.cancelRequested = cancelRequested
            self.ended = ended
            self.gang = gang
        }
    }

    public var job: NewJob
    public var started: Timestamp?
    public var ended: Timestamp?
    public var digest: String?
    public var failure: String?
    public var decisions = JobDecisions()
    /// Of an ended job; its tasks are restored when somebody wants one of them again.
    public var counts: TaskCounts?
    /// Untouched tasks that were marked many at once, in the order of marking.
    public var ranges: [(Range<Int>, TaskState)] = []
    public var tasks: [Task] = []
    /// Where its tasks stood at the rungs of its search.
    public var rungs: [RungRecord] = []
    /// How many points its sampler has given.
    public var points = 0
    /// Whether `ranges`, `tasks` and `rungs` are given.
    public var isWhole = false
    public init(_ job: NewJob) { self.job = job }

    /// Jobs whose tasks are needed at the start: those that have not ended, and those whose tasks others follow one by one.
    public static func needingTasks(_ jobs: [RestoredJob]) -> Set<JobID> {
        let active = jobs.filter { $0.ended == nil }
        let followed = active.flatMap(\.job.dependencies).filter { $0.condition == .each }
        return Set(active.map(\.job.id)).union(followed.map(\.job))
    }
}

extension ServerState {
    /// Fills an empty state; jobs that `needingTasks` names have to be whole. What was with a node stays there until that node's hello says what became of it.
    public mutating func restore(
        _ restored: [RestoredJob], nodes incarnations: [String: NodeIncarnation], now: Timestamp
    ) -> [Effect] {
        for (name, incarnation) in incarnations { know(name, incarnation, now) }
        for job in restored.sorted(by: { $0.job.id < $1.job.id }) {
            add(job, now)
            if job.ended == nil { active.append(job.job.id) }
        }
        for id in active {
            awaitDependencies(of: id, now)
            if case .pending = jobs[id]?.image { outbox.later.append(.fetchImage(id)) }
            finishIfDone(id, now)
        }
        return takeEffects()
    }

    /// A node of which nothing is heard yet.
    private mutating func know(_ name: String, _ incarnation: NodeIncarnation?, _ now: Timestamp) {
        guard nodes[name] == nil else { return }
        let inventory = NodeInventory(hostname: name, numaNodes: [])
        nodes[name] = Node(inventory: inventory, incarnation: incarnation, silentSince: now)
        pool.set(name, inventory, acceptsWork: false)
    }

    /// The tasks of an ended job, of which only the counts were known.
    public mutating func load(_ restored: RestoredJob, now: Timestamp) {
        guard jobs[restored.job.id]?.isLoaded == false else { return }
        add(restored, now)
    }

    /// Keeps the counts alone of an ended job, unless another follows its tasks one by one.
    public mutating func unload(_ id: JobID) {
        guard let job = jobs[id], job.isFinal, job.isLoaded else { return }
        let isFollowed = active.contains { other in
            jobs[other]?.dependencies.contains { $0.condition == .each && $0.job == id } == true
        }
        if !isFollowed { jobs[id]?.unload() }
    }

    private mutating func add(_ restored: RestoredJob, _ now: Timestamp) {
        let id = restored.job.id
        var record = JobRecord(restored.job)
        // By the clock of an earlier server, which may have been ahead: nothing that lasts from then on is to last longer.
        record.started = restored.started.map { min($0, now) }
        record.ended = restored.ended
        record.digest = restored.digest
        record.failure = restored.failure
        record.decisions = restored.decisions.beforeOrAt(now)
        if !restored.decisions.isEmpty { record.takeDecisions() }
        record.points = restored.points
        guard restored.isWhole else {
            record.isLoaded = false
            record.restoredCounts = restored.counts
            jobs[id] = record
            return
        }
        for (range, state) in restored.ranges {
            record.tasks.fill(
                range.clamped(to: 0..<record.taskCount), TaskTable.Mark(final: state))
        }
        for rung in restored.rungs { record.rungs.note(rung) }
        jobs[id] = record
        for task in restored.tasks where (0..<restored.job.taskCount).contains(task.index) {
            add(task, to: id, now)
        }
        if jobs[id]?.spec.limits.timeOverMedian != nil { jobs[id]?.durations.measure() }
        countUntouched(id)
    }

    private mutating func add(_ task: RestoredJob.Task, to id: JobID, _ now: Timestamp) {
        guard let place = jobs.index(forKey: id) else { return }
        jobs.values[place].tasks.setRow(task.index)
        let budget = task.budget
        let history = JobRecord.History(
            attempt: budget.attempt, failures: budget.failures, losses: budget.losses,
            memory: budget.memory, time: budget.time)
        if !history.isPlain { jobs.values[place].history[task.index] = history }
        if task.state == .succeeded, let started = task.started, let ended = task.ended {
            let pauses = jobs.values[place].decisions.pausedTime(from: started, to: ended)
            jobs.values[place].durations.add(
                max(0, ended.milliseconds - started.milliseconds - pauses))
        }
        if let placement = task.placement, task.state == .running {
            jobs.values[place].tasks[task.index] = .dispatched
            // Also where its node is named nowhere else: somebody can remove it then.
            for part in task.gang?.placements ?? [placement] { know(part.node, nil, now) }
            let demand = DemandID(job: id, memory: budget.memory)
            if let gang = task.gang, gang.placements.count > 1 {
                let attempt = AttemptID(
                    task: TaskID(job: id, index: task.index), number: budget.attempt)
                restore(gang, attempt, demand, cancelRequested: task.cancelRequested, now)
                noteEnding(of: task, place)
                return
            }
            let lane = restoredLane(demand, placement, now)
            lanes[lane]?.tasks.append(task.index)
            jobs.values[place].live[task.index] = JobRecord.Live(
                attempt: budget.attempt, lane: lane, cancelRequested: task.cancelRequested)
            noteEnding(of: task, place)
            return
        }
        let state = task.state == .running ? .queued : task.state
        jobs.values[place].tasks[task.index] = TaskTable.Mark(final: state)
        guard state == .queued else { return }
        let backoff = jobs.values[place].spec.retry.backoff
        let id = TaskID(job: id, index: task.index)
        let tries = budget.failures + budget.losses
        if let ended = task.ended, tries > 0,
            case let due = min(ended, now).milliseconds + backoff.delay(before: tries + 1, of: id),
            due > now.milliseconds
        {
            postpone(id, until: Timestamp(milliseconds: due))
        } else if !jobs.values[place].isIndexed {
            makeReady(id)
        }
    }

    private mutating func noteEnding(
        of task: RestoredJob.Task, _ place: Dictionary<JobID, JobRecord>.Index
    ) {
        if task.isOverdue { jobs.values[place].live[task.index]?.overdue = .init() }
        jobs.values[place].live[task.index]?.stopping = task.stopping
    }

    /// Tasks that were sent to the same placement wait for one another.
    private mutating func restoredLane(
        _ demand: DemandID, _ placement: Placement, _ now: Timestamp
    ) -> LaneID {
        let standing = jobs[demand.job]?.lanes.first {
            lanes[$0]?.demand == demand && lanes[$0]?.placement == placement
                && !placement.cpus.isEmpty
        }
        return standing ?? openLane(demand, placement, .init(memory: []), now)
    }

    /// Everything at or after the cursor that has no row and is queued. Queued tasks before it have rows and are ready already.
    private mutating func countUntouched(_ id: JobID) {
        guard let place = jobs.index(forKey: id) else { return }
        let job = jobs.values[place]
        var cursor = 0
        while cursor < job.taskCount, job.tasks.hasRow(cursor) || job.tasks[cursor] != .queued {
            cursor += 1
        }
        jobs.values[place].cursor = cursor
        let known = max(cursor, job.tasks.untouchedFrom)
        jobs.values[place].untouched = (cursor..<known).reduce(job.taskCount - known) {
            $0 + (job.tasks[$1] == .queued && !job.tasks.hasRow($1) ? 1 : 0)
        }
    }
}
