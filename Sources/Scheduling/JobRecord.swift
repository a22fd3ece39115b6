import DequeModule
public import JobModel

/// A job as it comes in: everything about it that is decided once.
public struct NewJob: Sendable {
    public var id: JobID
    public var spec: JobSpec
    public var taskCount: Int
    public var submitted: Timestamp
    /// `spec.after` with the jobs that its names meant at the submit.
    public var dependencies: [JobDependency]
    public init(
        id: JobID, spec: JobSpec, taskCount: Int, submitted: Timestamp,
        dependencies: [JobDependency] = []
    ) {
        self.id = id
        self.spec = spec
        self.taskCount = taskCount
        self.submitted = submitted
        self.dependencies = dependencies
    }
}

/// One entry of `after`, with the job found.
public struct JobDependency: Sendable, Hashable, Codable {
    public var condition: Dependency.Condition
    public var job: JobID
    public init(condition: Dependency.Condition, job: JobID) {
        self.condition = condition
        self.job = job
    }
}

/// One job as the server knows it. Its size does not depend on the number of its tasks, but for a byte each touched one.
public struct JobRecord: Sendable {
    public enum Image: Sendable, Hashable {
        /// Being brought in; the reason is that of the last try, if one failed. Held where the next try is not soon.
        case pending(tries: Int, reason: String?, isHeld: Bool)

        static let unasked = Image.pending(tries: 0, reason: nil, isHeld: false)
        case ready
    }

    /// A task that is with a node.
    struct Live: Sendable {
        var attempt: Int
        var lane: LaneID
        var started: Timestamp?
        /// Where it is reached.
        var ports: [PortMapping] = []
        var cancelRequested = false
        /// Asked back from the node, if it has not started.
        var recalled = false
        /// It is being stopped since it ran for longer than this, in milliseconds, which its node does not know of.
        var overdue: Overdue?
        /// Its node has been told of this limit in milliseconds, a multiple of the median, so that the task hears of it before.
        var told: Int64?
        /// It is being stopped by the job's search, and why.
        var stopping: String?
        /// Of a task on several nodes; `lane` is that of its rank 0 then.
        var gang: LiveGang?
        /// Of rank 0. Apart, since others are copied with it.
        var enforcement: KeptEnforcement?
    }

    struct Overdue: Sendable {
        /// Nil where an earlier server knew it.
        var limit: Int64?
    }

    final class KeptEnforcement: Sendable {
        let value: Enforcement
        init(_ value: Enforcement) { self.value = value }
    }

    /// What is remembered of tasks that are not on a first attempt without failures.
    struct History: Sendable {
        var attempt: Int
        var failures = 0
        var losses = 0
        /// Bytes and milliseconds, where they were raised.
        var memory: Int64?
        var time: Int64?

        var isPlain: Bool {
            attempt == 1 && failures == 0 && losses == 0 && memory == nil && time == nil
        }
        var budget: TaskBudget {
            TaskBudget(
                attempt: attempt, failures: failures, losses: losses, memory: memory, time: time)
        }
    }

    /// Apart, since it is by far the largest part of a record, and records are copied.
    private final class Constants: Sendable {
        let spec: JobSpec
        init(_ spec: JobSpec) { self.spec = spec }
    }

    public let id: JobID
    private var constants: Constants
    public var spec: JobSpec { _read { yield constants.spec } }
    public let submitted: Timestamp
    public let dependencies: [JobDependency]
    public internal(set) var started: Timestamp?
    public internal(set) var ended: Timestamp?
    public internal(set) var image: Image
    public internal(set) var digest: String?
    /// Why the job as a whole failed without its tasks having run: its image, a dependency.
    public internal(set) var failure: String?
    var tasks: TaskTable
    /// False where only the counts of an ended job are known.
    public internal(set) var isLoaded = true
    var restoredCounts: TaskCounts?

    /// Tasks from here on were never dispatched.
    var cursor = 0
    /// Queued tasks at or after the cursor.
    var untouched: Int
    /// Ready once more. May hold indexes that are not queued any longer; they are passed over.
    var again = Deque<Int>()
    /// Ready once more with more memory than the spec says.
    var raised: [Int64: Deque<Int>] = [:]
    var history: [Int: History] = [:]
    var live: [Int: Live] = [:]
    var lanes: Set<LaneID> = []
    /// `spec.start`, until it has come.
    var waitsUntil: Timestamp?
    /// Jobs that have to end first.
    var blockers: Set<JobID> = []
    public internal(set) var decisions = JobDecisions()
    /// Of its tasks that succeeded, where `limits.time` asks for them.
    var durations = Durations()
    /// How its tasks stood at the rungs of its search.
    var rungs = Rungs()
    /// How many points its sampler has given, where it has one.
    public internal(set) var points = 0
    /// Mean wall-clock milliseconds of recent attempts; nil before the first one ended.
    var meanDuration: Double?
    /// Nodes on which attempts succeeded or ran for long, and those on which some failed at once.
    var (faredWell, failedSoon) = (NamePair(), NamePair())
    /// GPUs, as `node/id`, on which attempts succeeded or ran for long.
    var gpusFaredWell = NamePair()
    /// Tasks of other jobs that were started while this one found no room.
    var overtaken = 0
    var reservation: Reservation?
    /// When one was last looked for.
    var reservationSought: (time: Timestamp, overtaken: Int)?
    var share = FairShare()
    /// Nodes that cannot be given what its tasks need, by name.
    var excluded: [String: Exclusion] = [:]

    init(_ job: NewJob) {
        id = job.id
        constants = Constants(job.spec)
        submitted = job.submitted
        dependencies = job.dependencies
        image = job.spec.image == "host" ? .ready : .unasked
        tasks = TaskTable(count: job.taskCount)
        untouched = job.taskCount
        waitsUntil = job.spec.start
    }

    /// Forgets all about the tasks but their counts.
    mutating func unload() {
        restoredCounts = counts
        isLoaded = false
        tasks = TaskTable(count: taskCount)
        history = [:]
        rungs = Rungs()
        untouched = 0
    }

    public var taskCount: Int { tasks.count }
    public var counts: TaskCounts { restoredCounts ?? tasks.counts }
    public var name: String { spec.name }
    public var isFinal: Bool { ended != nil }

    /// Tasks become ready one by one, as those of other jobs succeed.
    var isIndexed: Bool { dependencies.contains { $0.condition == .each } }

    /// Whether tasks may be dispatched at all.
    var isRunnable: Bool {
        image == .ready && blockers.isEmpty && ended == nil && decisions.hold == nil
            && waitsUntil == nil
    }

    /// Takes another spec, with nothing laid over it, and more tasks.
    mutating func renew(_ spec: JobSpec, count: Int) {
        constants = Constants(spec)
        // Any other is asked for when it goes on.
        if spec.image == "host" { image = .ready }
        waitsUntil = spec.start
        decisions.limits = nil
        decisions.priority = nil
        untouched += count - taskCount
        tasks.grow(to: count)
    }

    /// Lays what was decided over what was submitted.
    mutating func takeDecisions() {
        constants = Constants(spec.with(decisions))
        if spec.limits.timeOverMedian != nil { durations.measure() }
    }

    /// Number of the last attempt; 0 where there was none.
    func attempt(of index: Int) -> Int {
        history[index]?.attempt ?? (tasks.hasRow(index) ? 1 : 0)
    }

    /// The state that follows from the tasks alone.
    public var state: JobState {
        if ended != nil { return finalState }
        if !live.isEmpty { return .running }
        if image != .ready || !blockers.isEmpty || waitsUntil != nil { return .waiting }
        return started == nil ? .queued : .running
    }

    private var finalState: JobState {
        if failure != nil || counts.failed + counts.lost > 0 { return .failed }
        return counts.cancelled > 0 ? .cancelled : .succeeded
    }
}

extension JobRecord {
    /// State of one task, 0 ..< taskCount; of no meaning where the job is not loaded.
    public func state(of index: Int) -> TaskState { tasks[index].state }
}
