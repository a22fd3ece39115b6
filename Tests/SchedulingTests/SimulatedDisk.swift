import JobModel

@testable import Scheduling

/// What a database would hold after each commit: the changes, and nothing else.
struct SimulatedDisk {
    struct Row {
        var state = TaskState.queued
        var budget = TaskBudget(attempt: 0)
        var placement: Placement?
        var gang: Gang?
        var isCancelling = false
        var isOverdue = false
        var stopping: String?
        var ended: Timestamp?
    }
    struct Job {
        var new: NewJob
        var started: Timestamp?
        var ended: Timestamp?
        var failure: String?
        var decisions = JobDecisions()
        var counts: TaskCounts?
        var ranges: [(Range<Int>, TaskState)] = []
        var rows: [Int: Row] = [:]
        var rungs: [RungRecord] = []
        var points = 0
    }
    var jobs: [JobID: Job] = [:]
    var nodes: [String: NodeIncarnation] = [:]

    /// What of an answer's effects is to be saved, with the values that it has at this moment.
    enum Write {
        case job(JobRecord)
        case spec(JobID, JobSpec, Int)
        case node(String, NodeIncarnation)
        case task(TaskChange)
    }

    mutating func apply(_ write: Write) {
        switch write {
        case .job(let record):
            jobs[record.id]?.started = record.started
            jobs[record.id]?.ended = record.ended
            jobs[record.id]?.failure = record.failure
            jobs[record.id]?.counts = record.counts
            jobs[record.id]?.decisions = record.decisions
        case .spec(let id, let spec, let count):
            jobs[id]?.new.spec = spec
            jobs[id]?.new.taskCount = count
        case .node(let name, let incarnation): nodes[name] = incarnation
        case .task(let change): apply(change)
        }
    }

    private mutating func apply(_ change: TaskChange) {
        func update(_ task: TaskID, _ body: (inout Row) -> Void) {
            body(&jobs[task.job]!.rows[task.index, default: Row()])
        }
        switch change {
        case .dispatched(let dispatch):
            update(dispatch.attempt.task) {
                $0.state = .running
                $0.budget.attempt = dispatch.attempt.number
                $0.budget.memory = dispatch.memory
                $0.isOverdue = false
                $0.stopping = nil
                $0.placement = dispatch.placement
                $0.gang = dispatch.gang
                $0.ended = nil
                $0.isCancelling = false
            }
        case .partEnded(let task, let gang): update(task) { $0.gang = gang }
        case .cancelling(let task):
            update(task) {
                $0.isCancelling = true
                $0.isOverdue = false
                $0.stopping = nil
            }
        case .overdue(let task): update(task) { $0.isOverdue = true }
        case .pointed(let task): jobs[task.job]!.points = task.index + 1
        case .reached(let record): jobs[record.attempt.task.job]!.rungs.append(record)
        case .stopping(let task, let reason): update(task) { $0.stopping = reason }
        case .ended(let record, let state, let budget, _):
            update(record.attempt.task) {
                $0.state = state
                $0.budget = budget
                $0.isCancelling = false
                $0.isOverdue = false
                $0.stopping = nil
                $0.ended = record.ended
            }
        case .marked(let task, let state, let budget):
            update(task) {
                $0.state = state
                $0.budget = budget
                $0.isCancelling = false
                $0.isOverdue = false
                $0.stopping = nil
            }
        case .markedUntouched(let job, let range, let state):
            jobs[job]!.ranges.append((range, state))
        }
    }

    /// State of a task as the next server would take it.
    func state(_ task: TaskID) -> TaskState? {
        guard let job = jobs[task.job] else { return nil }
        return job.rows[task.index]?.state
            ?? job.ranges.last { $0.0.contains(task.index) }?.1 ?? .queued
    }

    var restored: [RestoredJob] {
        let all = jobs.sorted { $0.key < $1.key }.map { Self.restored($0.value) }
        let needed = RestoredJob.needingTasks(all)
        return all.map { job in
            var job = job
            job.isWhole = needed.contains(job.job.id)
            return job
        }
    }

    /// An ended job with all of its tasks.
    func whole(_ id: JobID) -> RestoredJob? {
        var job = jobs[id].map(Self.restored)
        job?.isWhole = true
        return job
    }

    private static func restored(_ job: Job) -> RestoredJob {
        var restored = RestoredJob(job.new)
        restored.started = job.started
        restored.ended = job.ended
        restored.failure = job.failure
        restored.decisions = job.decisions
        restored.counts = job.counts
        restored.ranges = job.ranges
        restored.rungs = job.rungs
        restored.points = job.points
        restored.tasks = job.rows.sorted { $0.key < $1.key }.map { index, row in
            var task = RestoredJob.Task(
                index: index, state: row.state, budget: row.budget,
                placement: row.placement, cancelRequested: row.isCancelling,
                ended: row.ended, gang: row.gang)
            task.isOverdue = row.isOverdue
            task.stopping = row.stopping
            return task
        }
        return restored
    }
}
