public import JobModel

/// What each node would be to a task now, and why.
public struct Explanation: Sendable {
    public struct Node: Sendable {
        public let name: String
        /// The best place here; nil where there is none now.
        public let fit: NodeResources.Fit?
        /// The best beside it, on other NUMA nodes or GPUs of this node.
        public let nextFit: NodeResources.Fit?
        /// What is missing where there is none.
        public let obstacles: [Obstacle]
    }

    /// What one node lacks.
    public struct Obstacle: Sendable, Hashable {
        public enum Resource: String, Sendable, Codable, CaseIterable {
            case work, label, cpus, memory, gpus, ports, node
        }
        public let resource: Resource
        /// A clause: `needs 8 CPUs, 3 of 16 are free`.
        public let text: String
        /// It will not pass while the node is what it is.
        public let isForGood: Bool
        /// Who has what is missing, those with most of it first.
        public let holders: [Holder]
    }

    public struct Holder: Sendable, Hashable {
        public let job: JobID
        /// `12 CPUs`, `40 GiB`, `2 GPUs`, `2 tasks`.
        public let text: String
    }

    /// Those with room first, the best before all; then those that may have it one day; then the others.
    public let nodes: [Node]

    /// Where it would go, and where it would if it could not.
    public var best: Node? { nodes.first { $0.fit != nil } }
    public var nextBest: Node? { nodes.dropFirst().first { $0.fit != nil } }
}

extension Scheduler {
    /// Looks at every node for one demand of a snapshot, or one that might be.
    public static func explain(_ demand: ClusterSnapshot.Demand, in snapshot: ClusterSnapshot)
        -> Explanation
    {
        let pool = NodePool(snapshot.nodes)
        let waiting =
            demand.request.gpus.count > 0
            ? [] : WaitingGPUs.all(snapshot.demands, snapshot.headroom, mostGPUs: pool.mostGPUs)
        let nodes = pool.nodes.map { node in
            let need = NodeNeed(demand.request, on: node.resources.shape, keeping: waiting)
            let isOpen =
                node.acceptsWork && demand.excluded[node.name] == nil
                && node.resources.holder(of: demand.ports) == nil
            let fits =
                isOpen ? NodeSearch.twoFits(need, on: node.resources, node: node.name) : nil
            return Explanation.Node(
                name: node.name, fit: fits?.best, nextFit: fits?.next,
                obstacles: fits == nil ? Obstacles(demand, need, node).all : [])
        }
        return Explanation(nodes: nodes.enumerated().sorted(by: isBefore).map(\.element))
    }

    /// Where a task that runs would be placed if it were not: its own place first, if it is still the best.
    public static func explain(
        _ placement: Placement, _ reservation: NodeResources.Reservation,
        of demand: ClusterSnapshot.Demand, in snapshot: ClusterSnapshot
    ) -> Explanation {
        var earlier = snapshot
        for place in earlier.nodes.indices where earlier.nodes[place].name == placement.node {
            earlier.nodes[place].resources.give(placement, reservation)
        }
        return explain(demand, in: earlier)
    }

    private static func isBefore(
        _ a: (offset: Int, element: Explanation.Node), _ b: (offset: Int, element: Explanation.Node)
    ) -> Bool {
        if let first = a.element.fit?.score, let second = b.element.fit?.score {
            if first.isBetter(than: second) { return true }
            return !second.isBetter(than: first) && a.offset < b.offset
        }
        func group(_ node: Explanation.Node) -> Int {
            node.fit != nil ? 0 : node.obstacles.contains(where: \.isForGood) ? 2 : 1
        }
        return (group(a.element), a.element.obstacles.count, a.offset)
            < (group(b.element), b.element.obstacles.count, b.offset)
    }
}
