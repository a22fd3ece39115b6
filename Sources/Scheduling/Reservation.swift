public import JobModel

/// Room that is kept for the next task of a demand that found none and was passed by.
public struct Reservation: Sendable, Hashable {
    /// A part of a node.
    public struct Room: Sendable, Hashable {
        public var node: String
        /// What it will have; nil where the reservation's `start` is.
        public var placement: Placement?
    }

    public var demand: DemandID
    /// One, or as many as the task has nodes.
    public var rooms: [Room]
    /// When they are expected to be free; nil where nobody can say, and the nodes are left alone by all others.
    public var start: Timestamp?
    /// Bytes of each.
    public var memory: Int64
    /// When it was made: the older one comes first.
    public var made: Timestamp
}

/// The reservations that bind those who are served after their owners, while a plan is made.
struct KeptRoom {
    private struct Kept {
        /// The earliest start of those on the node, in milliseconds from now; 0 where one is not known.
        var start: Int64
        /// What is free there beside what is kept, for those who stay beyond it; nil where nothing is.
        var rest: NodeResources?
    }
    private var nodes: [String: Kept] = [:]

    var isEmpty: Bool { nodes.isEmpty }

    mutating func keep(
        _ room: Reservation.Room, _ reservation: Reservation, on node: NodeResources,
        _ now: Timestamp
    ) {
        guard let start = reservation.start, let placement = room.placement else {
            nodes[room.node] = Kept(start: 0, rest: nil)
            return
        }
        var known = nodes[room.node] ?? Kept(start: .max, rest: node)
        known.start = min(known.start, max(0, start.milliseconds - now.milliseconds))
        _ = known.rest?.take(placement, memory: reservation.memory, of: reservation.demand.job)
        nodes[room.node] = known
    }

    /// Whether one who stays for so many milliseconds, nil where nobody knows, is away in time.
    func isPassable(_ node: String, for stay: Int64?) -> Bool {
        nodes[node].map { Self.isPassable($0, for: stay) } ?? true
    }

    /// Where such a one is not, by name.
    func nodes(closedFor stay: Int64?) -> [String] {
        nodes.isEmpty
            ? []
            : nodes.filter { !Self.isPassable($0.value, for: stay) }.keys.sorted()
    }

    private static func isPassable(_ kept: Kept, for stay: Int64?) -> Bool {
        stay.map { $0 <= kept.start } ?? false
    }

    /// What one who stays longer may use; nil where that is nothing.
    func rest(of node: String) -> NodeResources? { nodes[node]?.rest }

    /// Somebody was let in.
    mutating func take(_ placement: Placement, _ demand: ClusterSnapshot.Demand) {
        guard !nodes.isEmpty else { return }
        _ = nodes[placement.node]?.rest?.take(
            placement, memory: demand.request.memory ?? 0, ports: demand.ports,
            exclusive: demand.request.exclusive, of: demand.id.job)
    }

    mutating func give(_ placement: Placement, _ held: NodeResources.Reservation) {
        guard !nodes.isEmpty else { return }
        nodes[placement.node]?.rest?.give(placement, held)
    }
}
