public import JobModel

/// What has to be done because of events. All that is to be saved is to be on disk before anything else of the same answer is done:
/// nobody is told what could be forgotten.
public enum Effect: Sendable {
    // To be saved, in this order
    case saveJob(JobID)
    /// Its spec and its size, which are otherwise saved by the submit alone.
    case saveSpec(JobID)
    case saveNode(String, NodeIncarnation)
    case removeNode(String)
    case saveTasks([TaskChange])

    // To be done when those are on disk
    /// For the node's connection of this number; on any later one it is void, since that one's hello decided anew.
    case run(node: String, connection: Int, [Dispatch])
    case cancel(node: String, [AttemptID])
    /// Give back those that have not started.
    case recall(node: String, [AttemptID])
    case acknowledge(node: String, [AttemptID])
    /// Stop these where they are, or let them go on.
    case pause(node: String, [AttemptID])
    case resume(node: String, [AttemptID])
    /// What nodes were told of this job is no longer so.
    case retell(JobID)
    /// Nothing of this job will run any more.
    case forget(JobID)
    case fetchImage(JobID)
    /// Run the job's notification.
    case notify(JobID, JobState)
    /// Something about the job that anybody can see is different.
    case changed(JobID)
    /// The node is given no more tasks, since those that it had failed at once; `NodeReport.failures` names them.
    case quarantined(String, reason: String)
    /// One of its GPUs is given no more tasks, since those that it had failed at once.
    case gpuQuarantined(String, gpu: String, reason: String)
    /// Send `.tick` at this time; it replaces the time asked for before.
    case wake(Timestamp)
}

/// One attempt to be started.
public struct Dispatch: Sendable, Hashable {
    public var attempt: AttemptID
    public var placement: Placement
    /// Bytes, where this attempt may use another amount than the spec says.
    public var memory: Int64?
    /// Milliseconds, where this attempt may run for another time than the spec says.
    public var time: Int64?
    /// Of a task on several nodes: all of its members, of which this one has `rank`.
    public var gang: Gang?
    public var rank = 0
}

/// One change of what is kept of a task, or of many untouched ones at once.
public enum TaskChange: Sendable {
    /// Of a task on several nodes once, with its rank 0.
    case dispatched(Dispatch)
    /// A part of a task on several nodes has ended, and others have not.
    case partEnded(TaskID, Gang)
    /// Its stop was asked for while it is with a node.
    case cancelling(TaskID)
    /// It is being stopped, since it ran for longer than it may.
    case overdue(TaskID)
    /// Its point is known.
    case pointed(TaskID)
    /// It came to a rung of its job's search.
    case reached(RungRecord)
    /// It is being stopped by its job's search, and why.
    case stopping(TaskID, String)
    /// An attempt ended that might use so much memory, in bytes; `.queued` means that it will be tried again.
    case ended(ExitRecord, TaskState, TaskBudget, memory: Int64?)
    /// Without an exit record: cancelled while queued, given back unstarted, or queued again.
    case marked(TaskID, TaskState, TaskBudget)
    /// The same for tasks that have no record of their own.
    case markedUntouched(JobID, Range<Int>, TaskState)
}

/// What a task's tries have used up.
public struct TaskBudget: Sendable, Hashable {
    /// Number of the last attempt; 0 where there was none.
    public var attempt: Int
    public var failures: Int
    /// Attempts that went with their nodes.
    public var losses: Int
    /// Bytes for the next attempt, where they were raised.
    public var memory: Int64?
    /// Milliseconds for the next attempt, where they were raised.
    public var time: Int64?
    public init(
        attempt: Int, failures: Int = 0, losses: Int = 0, memory: Int64? = nil, time: Int64? = nil
    ) {
        self.attempt = attempt
        self.failures = failures
        self.losses = losses
        self.memory = memory
        self.time = time
    }
}
