internal import FoundationEssentials
public import JobModel

/// A job about to be stored.
public struct JobDraft: Sendable {
    public var spec: JobSpec
    public var key: String?
    public var taskCount: Int
    /// JSON of whoever knows what dependencies are; kept as it is.
    public var dependencies: [UInt8]
    public var submitted: Timestamp
    public init(
        spec: JobSpec, key: String?, taskCount: Int, dependencies: [UInt8], submitted: Timestamp
    ) {
        self.spec = spec
        self.key = key
        self.taskCount = taskCount
        self.dependencies = dependencies
        self.submitted = submitted
    }
}

public struct InsertedJob: Sendable, Hashable {
    public var id: JobID
    public var name: String
    public var taskCount: Int
    /// False where the key was known: this is the earlier job.
    public var isNew: Bool
}

/// What changes of a job as it goes on.
public struct JobProgress: Sendable {
    public var id: JobID
    public var started: Timestamp?
    public var ended: Timestamp?
    public var digest: String?
    public var failure: String?
    public var lastFailure: String?
    public var counts: TaskCounts
    public var decisions = JobDecisions()
    public init(
        id: JobID, started: Timestamp?, ended: Timestamp?, digest: String?, failure: String?,
        lastFailure: String?, counts: TaskCounts
    ) {
        self.id = id
        self.started = started
        self.ended = ended
        self.digest = digest
        self.failure = failure
        self.lastFailure = lastFailure
        self.counts = counts
    }
}

/// One change of the database.
public enum StoreWrite: Sendable {
    case job(JobProgress)
    /// It goes on with another spec, and more tasks.
    case spec(JobID, JobSpec, taskCount: Int)
    /// Its best task so far; nil where there is none.
    case best(JobID, BestReport?)
    case node(String, agentEpoch: String, launcherEpoch: String, bootID: String)
    /// One that the user named, or named anew.
    case machine(NodeSpec)
    /// The node is no longer the user's: all that is kept of it goes.
    case nodeRemoved(String)
    /// Why a node takes no work, by the user's wish or since it failed too many tasks.
    case drained(String, reason: String, isQuarantine: Bool)
    /// Forgets its GPUs that were taken out, too.
    case undrained(String)
    case gpuClosed(node: String, gpu: String, reason: String)
    /// Of a task on several nodes the placement is that of rank 0.
    case dispatched(AttemptID, Placement, memory: Int64?, gang: Gang? = nil)
    /// What of a task on several nodes has ended.
    case gang(TaskID, Gang)
    case cancelling(TaskID)
    /// It is being stopped since it ran for too long.
    case overdue(TaskID)
    /// Its point, which a sampler gave.
    case point(TaskID, Point)
    /// It came to a rung of its job's search; the first record of each rung stays.
    case reached(RungRecord)
    /// It is being stopped by its job's search, and why.
    case stopping(TaskID, String)
    /// `memory` is that of the next attempt, where it was raised.
    case ended(ExitRecord, TaskState, failures: Int, memory: Int64?, reason: String?)
    /// After `ended` or `marked`, which forget both: milliseconds of the task's next attempt, where they were raised, and how many
    /// attempts went with their nodes.
    case extended(TaskID, time: Int64?, losses: Int)
    case marked(
        TaskID, TaskState, attempt: Int, failures: Int, memory: Int64?, reason: String?)
    case range(JobID, Range<Int>, TaskState)
    /// Somebody is to be told; one that is known already is let be.
    case notification(StoredNotification)
    /// How far that is.
    case notified(StoredNotification)
    /// To be kept in the log of events.
    case event(EventDraft)
}

/// Everything at the start.
public struct StoredState: Sendable {
    public struct Node: Sendable, Hashable {
        public var name: String
        public var agentEpoch: String
        public var launcherEpoch: String
        public var bootID: String
    }
    public var jobs: [StoredJob]
    public var nodes: [Node]
    /// Those that the user named, by name.
    public var machines: [NodeSpec]
    /// Reasons by the node's name.
    public var drained: [String: String]
    public var quarantined: [String: String]
    /// Reasons by node and GPU.
    public var closedGPUs: [String: [String: String]] = [:]
}

public struct StoredJob: Sendable {
    public var progress: JobProgress
    public var spec: JobSpec
    public var taskCount: Int
    public var dependencies: [UInt8]
    public var submitted: Timestamp
    public var best: BestReport?
}

/// What is kept of a job's tasks.
public struct StoredTasks: Sendable {
    public var ranges: [(Range<Int>, TaskState)]
    public var rows: [TaskRow]

    /// The state of a task that has no row.
    public func state(ofUntouched index: Int) -> TaskState {
        ranges.last { $0.0.contains(index) }?.1 ?? .queued
    }
}

/// One touched task.
public struct TaskRow: Sendable, Hashable {
    public var index: Int
    /// Number of the last attempt; 0 where there was none.
    public var attempt: Int
    /// `.running` while the last attempt is with a node.
    public var state: TaskState
    public var failures: Int
    public var memory: Int64?
    public var isCancelling: Bool
    public var isOverdue = false
    /// Its last attempt passed its time limit.
    public var timedOut = false
    /// The job's search stops it, for its reason.
    public var isStopping = false
    /// Milliseconds of the next attempt, where they were raised.
    public var time: Int64?
    public var losses = 0
    /// Of rank 0, where it has several nodes.
    public var placement: Placement?
    public var gang: Gang?
    public var started: Timestamp?
    public var ended: Timestamp?
    public var code: Int32?
    public var signal: Int32?
    public var userMicroseconds: Int64?
    public var systemMicroseconds: Int64?
    /// Bytes.
    public var peakMemory: Int64?
    public var enforcement: Enforcement?
    public var metrics: [String: Double]
    public var reason: String?
}

extension Enforcement {
    /// As they are stored, one after the other.
    var words: [String] { [cpu, memory, pids, cpuBinding, memoryBinding, memoryPolicy] }

    /// Older rows have the first three.
    init?(words: [String]) {
        guard [3, 6].contains(words.count) else { return nil }
        self.init(cpu: words[0], memory: words[1], pids: words[2])
        guard words.count == 6 else { return }
        (cpuBinding, memoryBinding, memoryPolicy) = (words[3], words[4], words[5])
    }
}

/// States as numbers: never renumbered, they are in people's databases.
enum StateCode {
    static func code(_ state: TaskState) -> Int {
        switch state {
        case .queued: 0
        case .running: 1
        case .succeeded: 2
        case .failed: 3
        case .cancelled: 4
        case .lost: 5
        case .stopped: 6
        }
    }

    static func state(_ code: Int) throws(StoreError) -> TaskState {
        guard let state = TaskState.allCases.first(where: { self.code($0) == code }) else {
            throw StoreError(.corrupt, "read", "tasks", "there is no state \(code)")
        }
        return state
    }
}
