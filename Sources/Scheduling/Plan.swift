public import JobModel

/// What to start where, and why the rest waits.
public struct Plan: Sendable {
    /// A new lane at a placement that was free.
    public struct Opening: Sendable, Hashable {
        public var demand: DemandID
        public var placement: Placement
        public var tasks: Int
        /// Of a task on several nodes: where the ranks after the first are.
        public var others: [Placement] = []
        /// What was taken for it, by rank.
        public var reservations: [NodeResources.Reservation] = []
    }
    /// More tasks for a lane that stands.
    public struct Extension: Sendable, Hashable {
        public var lane: LaneID
        public var demand: DemandID
        public var tasks: Int
    }
    public var openings: [Opening] = []
    public var extensions: [Extension] = []
    /// Of jobs with ready tasks of which not one could be placed.
    public var waits: [JobID: WaitReason] = [:]
    /// Of those that found no room: tasks of others that were given some after their turn.
    public var passed: [JobID: Int] = [:]
}

/// Why a ready task does not start.
public enum WaitReason: Sendable, Hashable, CustomStringConvertible {
    /// It can never fit; says what it needs and what there is.
    case tooLarge(String)
    /// It fits no node that is known, and this one has not been connected yet.
    case unknown(node: String)
    /// It fits, and everything is taken.
    case busy
    /// It needs several nodes at once, and fewer have room.
    case fewNodes(free: Int, needed: Int)
    /// It fits, and tasks of a job have a port that it needs.
    case portHeld(String, node: String, by: JobID)
    /// Nodes that could hold it take no work now, so that too few are left.
    case closed(open: Int, needed: Int)
    /// `limits.parallel` is reached.
    case parallelLimit
    /// The limit that its job shares with others is reached.
    case groupLimit(String)
    /// The nodes that are left cannot be given what it needs.
    case excluded(String, isForGood: Bool)
    case noNode

    public var description: String {
        switch self {
        case .tooLarge(let why): why
        case .unknown(let node): "waits for node \(node), which has not been connected yet"
        case .busy: "waits for other tasks to end"
        case .fewNodes(let free, let needed):
            "needs \(needed) nodes at once, \(free == 0 ? "no node" : "\(free)") "
                + (free < 2 ? "has room" : "have room")
        case .portHeld(let port, let node, let job):
            "waits for port \(port) of node \(node), which job \(job) has"
        case .closed(_, needed: ...1): "no node that could hold it takes work now"
        case .closed(let open, let needed):
            "needs \(needed) nodes, \(open) of those that could hold it \(open == 1 ? "takes" : "take") work now"
        case .parallelLimit: "limits.parallel is reached"
        case .groupLimit(let name): "the limit of group \(name) is reached"
        case .excluded(let why, _): why
        case .noNode: "no node is connected"
        }
    }

    /// It waits for nothing but others to end.
    var isForRoom: Bool {
        switch self {
        case .busy, .fewNodes: true
        case .tooLarge, .unknown, .portHeld, .closed, .parallelLimit, .groupLimit, .excluded,
            .noNode:
            false
        }
    }

    public var isNever: Bool {
        switch self {
        case .tooLarge: true
        case .excluded(_, let isForGood): isForGood
        default: false
        }
    }
}
