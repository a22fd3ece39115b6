/// One line of `martlet events`: something that happened and is on disk.
///
/// Sequence numbers ascend and are never used again; numbers may be missing.
public struct EventReport: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        case jobSubmitted = "job_submitted"
        /// Its first task runs.
        case jobStarted = "job_started"
        /// With how it ended, and its tasks by state.
        case jobEnded = "job_ended"
        /// An ended job goes on: some of its tasks are queued again.
        case jobResumed = "job_resumed"
        /// An attempt was given to a node.
        case taskSent = "task_sent"
        /// An attempt ended, or a task was cancelled while it was queued. `queued` means that it will be tried again.
        case taskEnded = "task_ended"
        /// Without an end: given back by its node, or queued again by `retry`.
        case taskQueued = "task_queued"
        case nodeAdded = "node_added"
        case nodeRemoved = "node_removed"
        case nodeConnected = "node_connected"
        case nodeDisconnected = "node_disconnected"
        case nodeDrained = "node_drained"
        case nodeUndrained = "node_undrained"
        /// The server gives it no more tasks, for the reason.
        case nodeQuarantined = "node_quarantined"
        /// Events of tasks after the one asked for, up to this one, are no longer kept. Not itself kept.
        case compacted

        public var isOfTask: Bool {
            switch self {
            case .taskSent, .taskEnded, .taskQueued: true
            default: false
            }
        }
    }
    public var schema = JobModel.schemaVersion
    public var sequence: Int64
    /// RFC 3339.
    public var time: String
    public var kind: Kind
    @OrNull public var job: JobID?
    /// Index; with `last`, the first of all those up to it that share the event.
    @OrNull public var task: Int?
    @OrNull public var last: Int?
    @OrNull public var attempt: Int?
    /// Of the job or of the task, after the event.
    @OrNull public var state: String?
    @OrNull public var node: String?
    @OrNull public var exitCode: Int32?
    @OrNull public var signal: Int32?
    /// RFC 3339: when the attempt that ended had started.
    @OrNull public var started: String?
    @OrNull public var reason: String?
    /// Of a job that ended: its tasks by state.
    @OrNull public var counts: TaskCounts?

    public init(sequence: Int64 = 0, time: String = "", _ kind: Kind, job: JobID? = nil) {
        self.sequence = sequence
        self.time = time
        self.kind = kind
        self.job = job
    }
}

/// Events in the order of their numbers.
public struct EventPage: Sendable {
    public var events: [EventReport]
    /// Where to read on.
    public var end: Int64
    public init(events: [EventReport], end: Int64) {
        self.events = events
        self.end = end
    }
}
