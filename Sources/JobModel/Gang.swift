/// Where the members of one task on several nodes are, and where they meet.
public struct Gang: Sendable, Hashable, Codable {
    /// By rank; each on a node of its own.
    public var placements: [Placement]
    /// TCP port of rank 0's node.
    public var port: Int
    /// How those ended that have, by rank.
    public var ends: [Int: ExitRecord] = [:]
    public init(placements: [Placement], port: Int) {
        self.placements = placements
        self.port = port
    }

    /// Names of the nodes, by rank.
    public var nodes: [String] { placements.map(\.node) }

    /// One node's part.
    /// - Parameter address: by which the others reach a node, from its name.
    public func member(_ rank: Int, address: (String) -> String = { $0 }) -> GangMember {
        GangMember(rank: rank, nodes: nodes.map(address), port: port)
    }

    /// Below those that Linux gives to clients (32768 and up, ip(7) ip_local_port_range), and above those that services have.
    public static let ports = 20_000..<30_000

    /// The same for all attempts of a task. Tasks of one job meet at different ones, up to as many as there are.
    /// - Parameter isTaken: whether another has a port; the next free one is taken then.
    public static func port(for task: TaskID, isTaken: (Int) -> Bool = { _ in false }) -> Int {
        let count = ports.count
        let job = SplitMix.mix(UInt64(bitPattern: task.job.rawValue)) % UInt64(count)
        let first = (Int(job) + task.index) % count
        let tried = (0..<count).lazy.map { ports.lowerBound + (first + $0) % count }
        return tried.first { !isTaken($0) } ?? ports.lowerBound + first
    }
}
