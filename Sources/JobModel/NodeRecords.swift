// What a node offers and what it reports of attempts; travels between head and agent, and drives the server state.

public struct RunTask: Sendable, Codable {
    public var attempt: AttemptID
    public var point: Point
    public var placement: Placement
    /// This attempt's memory limit in bytes where it differs from the spec's (raised after running out of it).
    public var memory: Int64?
    /// This attempt's time limit in milliseconds where it differs from the spec's.
    public var time: Int64?
    /// Of a task on several nodes, this node's part; nil where it has one.
    public var gang: GangMember?
    public init(attempt: AttemptID, point: Point, placement: Placement, memory: Int64? = nil) {
        self.attempt = attempt
        self.point = point
        self.placement = placement
        self.memory = memory
    }
}

/// One node's part of a task on several.
public struct GangMember: Sendable, Hashable, Codable {
    /// 0 ..< nodes.count; rank 0 is where the others meet.
    public var rank: Int
    /// Names or addresses of all nodes by which they reach each other, by rank.
    public var nodes: [String]
    /// TCP port on rank 0's node, for torchrun's rendezvous and its like.
    public var port: Int
    public init(rank: Int, nodes: [String], port: Int) {
        self.rank = rank
        self.nodes = nodes
        self.port = port
    }
}

public struct StartRecord: Sendable, Hashable, Codable {
    public var attempt: AttemptID
    public var started: Timestamp
    public var enforcement: Enforcement
    /// Of its private network, with the host ports that were chosen; nil where there are none.
    public var ports: [PortMapping]?
    public init(attempt: AttemptID, started: Timestamp, enforcement: Enforcement) {
        self.attempt = attempt
        self.started = started
        self.enforcement = enforcement
    }
}

/// How one attempt ended. Written once, by the node; kept there until acknowledged.
public struct ExitRecord: Sendable, Hashable, Codable {
    public var attempt: AttemptID
    public var status: ExitStatus
    public var started: Timestamp?
    public var ended: Timestamp
    public var timedOut: Bool
    /// The milliseconds that it was given, once the head knows that it took longer.
    public var timeLimit: Int64?
    public var cancelled: Bool
    /// Why the head's search stopped it, where it did; only the head knows.
    public var stopped: String?
    public var outOfMemory: Bool
    /// Microseconds of user and system time of the task's whole tree.
    public var userMicroseconds: Int64
    public var systemMicroseconds: Int64
    /// Bytes: the cgroup's peak where there is one, else the greatest resident size of one process.
    public var peakMemory: Int64
    public var enforcement: Enforcement?
    /// Last value of each metric in the metrics file, and of those that the spec finds elsewhere.
    public var metrics: [String: Double]
    /// Which `log` causes of the retry policy were found in the output, as indexes into it.
    public var matchedLogCauses: [Int]
    /// On the way from a node that keeps its files to itself: what the attempt left there; nil where that is nothing. The head takes
    /// it out once the files are here.
    public var files: AttemptFiles?
    /// What of it could not be brought to the head, and why; nil where all is here.
    public var missingFiles: [String]?
    public init(attempt: AttemptID, status: ExitStatus, ended: Timestamp) {
        self.attempt = attempt
        self.status = status
        self.ended = ended
        timedOut = false
        cancelled = false
        outOfMemory = false
        userMicroseconds = 0
        systemMicroseconds = 0
        peakMemory = 0
        metrics = [:]
        matchedLogCauses = []
    }
}
