public import JobModel

/// The one interface that every client of the server uses: HTTP and JSON on a Unix socket in the user's run directory.
///
/// Owns routes, bodies and the client; the only importer of Hummingbird. Reports are JobModel's, decisions JobServer's.
/// Start with `APIServer.swift`; `APIClient.swift` is the other end.
public enum ServerAPI {
    /// Every route begins with it.
    static let prefix = "/v1"
}

/// What a cancel or retry is about.
public struct SelectionRequest: Sendable, Codable {
    public var selections: [TaskSelection]
    /// Retry only: tasks that ended so; nil means all that did not succeed.
    public var states: Set<TaskState>?
    /// Retry only: those whose points fulfil it, in the language of a sweep's `where`; nil means all.
    public var condition: String?
    /// Retry only: those that passed their time limit.
    public var timedOut: Bool?
    public init(
        _ selections: [TaskSelection], states: Set<TaskState>? = nil, condition: String? = nil,
        timedOut: Bool? = nil
    ) {
        self.selections = selections
        self.states = states
        self.condition = condition
        self.timedOut = timedOut
    }
}

/// How many tasks it met, by job in the order asked.
public struct SelectionReply: Sendable, Codable {
    public var counts: [Int]
}

/// Which tasks a report shows.
public struct ReportRequest: Sendable, Codable {
    public var selection: TaskSelection
    public var states: Set<TaskState>?
    /// The first index that is wanted.
    public var from: Int?
    /// Most tasks; nil means all, which come in several answers where they are many.
    public var limit: Int?
    /// Whoever asks reads what the tasks write: of tasks on other machines it is brought here.
    public var follow: Bool?
    public init(_ selection: TaskSelection, states: Set<TaskState>? = nil, limit: Int? = nil) {
        self.selection = selection
        self.states = states
        self.limit = limit
    }
}

/// Which jobs' ends are waited for.
public struct EndsRequest: Sendable, Codable {
    public var jobs: [JobID]
    /// How many of them are enough; nil means all.
    public var count: Int?
    /// Milliseconds until the answer comes anyway.
    public var wait: Int64?
    public init(jobs: [JobID], count: Int?, wait: Int64?) {
        self.jobs = jobs
        self.count = count
        self.wait = wait
    }
}

/// The number by which its bytes are exchanged.
public struct SessionReply: Sendable, Codable {
    public var session: Int64
}

/// Machines to add, or to reach in another way.
public struct NodesRequest: Sendable, Codable {
    public var nodes: [NodeSpec]
    public init(_ nodes: [NodeSpec]) { self.nodes = nodes }
}

/// What is to become of a node.
public struct NodeRequest: Sendable, Codable {
    public enum Change: String, Sendable, Codable { case drain, undrain, remove }
    public var change: Change
    /// Of a drain, for people.
    public var reason: String?
    /// Drain: end running tasks and queue them again. Remove: take them for lost.
    public var force: Bool?
    public init(_ change: Change, reason: String? = nil, force: Bool = false) {
        self.change = change
        self.reason = reason
        self.force = force
    }
}

public struct ShutdownRequest: Sendable, Codable {
    /// Ends the tasks, their launcher and agent as well.
    public var stopNodes: Bool
    public init(stopNodes: Bool) { self.stopNodes = stopNodes }
}
