public import JobModel

/// Everything that a plan is made from: a value, so that a plan can be made, compared and tested without a server.
public struct ClusterSnapshot: Sendable {
    public struct Node: Sendable {
        public var name: String
        public var resources: NodeResources
        /// False while it is not connected or holds work off.
        public var acceptsWork: Bool
        public init(name: String, resources: NodeResources, acceptsWork: Bool = true) {
            self.name = name
            self.resources = resources
            self.acceptsWork = acceptsWork
        }
    }

    public struct Lane: Sendable {
        public var id: LaneID
        public var demand: DemandID
        public var node: String
        /// Tasks in it that have not ended.
        public var depth: Int
        /// One of them has run for long: whatever came behind it would wait.
        public var isStuck: Bool
        public init(
            id: LaneID, demand: DemandID, node: String, depth: Int, isStuck: Bool = false
        ) {
            self.id = id
            self.demand = demand
            self.node = node
            self.depth = depth
            self.isStuck = isStuck
        }
    }

    /// How many more tasks of a group's jobs may start.
    public struct GroupRoom: Sendable {
        public var name: String
        public var room: Int
        public init(name: String, room: Int) {
            self.name = name
            self.room = room
        }
    }

    public struct Demand: Sendable {
        public var id: DemandID
        public var request: ResourceRequest
        /// Of a node, which each task needs for itself.
        public var ports: [PortMapping]
        /// Tasks that could start now.
        public var ready: Int
        /// Tasks that each lane should hold, the running one included; at least 1.
        public var depth: Int
        public var priority: Priority = 0
        /// Of the cluster that its job has and had of late, and by how much each task adds to it.
        public var share = 0.0
        public var step = 0.0
        /// Milliseconds that a task stays at most, as far as is known.
        public var duration: Int64?
        /// The limit that its job shares with others.
        public var group: GroupRoom?
        /// Nodes that it must not have, by name, and why.
        var excluded: [String: Exclusion] = [:]
        /// Room that is kept for it.
        public var reservation: Reservation?
        /// Milliseconds for which a lane of it stays at most, as far as is known.
        var stay: Int64? { duration.map { $0 * Int64(depth) } }
        public init(
            id: DemandID, request: ResourceRequest, ready: Int, depth: Int = 1,
            ports: [PortMapping] = []
        ) {
            self.id = id
            self.request = request
            self.ports = ports
            self.ready = ready
            self.depth = depth
        }
    }

    public var nodes: [Node]
    public var lanes: [Lane]
    /// First served first.
    public var demands: [Demand]
    /// Lanes that each job may still open (`limits.parallel`); a job that is not named here has no limit.
    public var headroom: [JobID: Int]
    public var now: Timestamp
    public init(
        nodes: [Node], lanes: [Lane] = [], demands: [Demand], headroom: [JobID: Int] = [:],
        now: Timestamp = Timestamp(milliseconds: 0)
    ) {
        self.nodes = nodes
        self.lanes = lanes
        self.demands = demands
        self.headroom = headroom
        self.now = now
    }
}
