public import JobModel

/// The nodes of a cluster with what is free of them. For each need that was asked about it keeps the order of the nodes, so
/// that the next such question costs no more than what has changed since.
public struct NodePool: Sendable {
    public typealias Node = ClusterSnapshot.Node

    /// By name.
    public private(set) var nodes: [Node]
    private var places: [String: Int] = [:]
    /// Nodes that are alike share a shape.
    private var shapes: [NodeInventory: NodeShape] = [:]
    private var rankings: [Ranking] = []
    private var ranked: [Need: Int] = [:]
    /// Positions of changed nodes, the last of them the newest; those that all have seen are dropped.
    private var changes: [Int32] = []
    private var dropped = 0
    /// The last change of each node.
    private var lastChange: [Int]
    private(set) var accepting: Int
    /// GPUs of the node that has most.
    private(set) var mostGPUs: Int

    /// Needs whose order is kept; the pool begins anew beyond.
    private static let mostRankings = 256

    public init(_ nodes: [Node] = []) {
        let isSorted = zip(nodes, nodes.dropFirst()).allSatisfy { $0.name < $1.name }
        self.nodes = isSorted ? nodes : nodes.sorted { $0.name < $1.name }
        lastChange = .init(repeating: -1, count: nodes.count)
        accepting = nodes.reduce(0) { $0 + ($1.acceptsWork ? 1 : 0) }
        mostGPUs = nodes.reduce(0) { max($0, $1.resources.gpuCount) }
        places.reserveCapacity(nodes.count)
        for (place, node) in self.nodes.enumerated() { places[node.name] = place }
    }

    /// Nodes with nothing running on them.
    public init(_ inventories: [(name: String, inventory: NodeInventory)], acceptsWork: Bool) {
        var known = NodePool()
        let nodes = inventories.map { name, inventory in
            Node(
                name: name, resources: NodeResources(inventory, known.shape(of: inventory)),
                acceptsWork: acceptsWork)
        }
        self.init(nodes)
        shapes = known.shapes
    }

    public subscript(name: String) -> Node? { places[name].map { nodes[$0] } }

    func place(of name: String) -> Int? { places[name] }

    // MARK: Changes

    /// Adds a node with nothing running on it, or begins one anew.
    public mutating func set(_ name: String, _ inventory: NodeInventory, acceptsWork: Bool) {
        let resources = NodeResources(inventory, shape(of: inventory))
        let node = Node(name: name, resources: resources, acceptsWork: acceptsWork)
        var all = nodes.filter { $0.name != name }
        all.append(node)
        let known = shapes
        self = NodePool(all)
        shapes = known
    }

    public mutating func remove(_ name: String) {
        guard places[name] != nil else { return }
        let known = shapes
        self = NodePool(nodes.filter { $0.name != name })
        shapes = known
    }

    private mutating func shape(of inventory: NodeInventory) -> NodeShape {
        let key = inventory.nameless
        if let known = shapes[key] { return known }
        let new = NodeShape(inventory)
        shapes[key] = new
        return new
    }

    public mutating func set(_ name: String, acceptsWork: Bool) {
        guard let place = places[name], nodes[place].acceptsWork != acceptsWork else { return }
        accepting += acceptsWork ? 1 : -1
        nodes[place].acceptsWork = acceptsWork
        note(place)
    }

    /// Takes what a placement names, as far as it is free.
    public mutating func take(
        _ placement: Placement, memory: Int64, ports: [PortMapping] = [], exclusive: Bool = false,
        of job: JobID
    ) -> NodeResources.Reservation? {
        guard let place = places[placement.node] else { return nil }
        note(place)
        return nodes[place].resources.take(
            placement, memory: memory, ports: ports, exclusive: exclusive, of: job)
    }

    public mutating func give(_ placement: Placement, _ reservation: NodeResources.Reservation) {
        guard let place = places[placement.node] else { return }
        note(place)
        nodes[place].resources.give(placement, reservation)
    }

    mutating func closeGPU(_ gpu: String, of name: String) {
        guard let place = places[name] else { return }
        note(place)
        nodes[place].resources.closeGPU(gpu)
    }

    private mutating func note(_ place: Int) {
        lastChange[place] = dropped + changes.count
        changes.append(Int32(place))
        // Whoever has not looked for so long begins anew.
        guard changes.count > 4 * nodes.count + 64 else { return }
        let old = changes.count / 2
        changes.removeFirst(old)
        dropped += old
    }

    // MARK: Questions

    /// The best place for one task; nil where there is none now.
    /// - Parameters:
    ///   - excluded: positions of nodes that are not to be looked at.
    ///   - rooms: what is to be taken for free of some nodes, by position, in place of what is.
    mutating func fit(
        _ need: Need, except excluded: Set<Int> = [], instead rooms: [Int: NodeResources] = [:]
    ) -> NodeResources.Fit? {
        withRanking(need) { ranking, nodes in
            func fit(_ place: Int, _ room: NodeResources) -> NodeResources.Fit? {
                room.fit(ranking.shapedNeed(nodes[place]), node: nodes[place].name)
            }
            var best: NodeResources.Fit?
            if let place = ranking.best(except: excluded.union(rooms.keys)) {
                best = fit(place, nodes[place].resources)
            }
            for (place, room) in rooms.sorted(by: { $0.key < $1.key })
            where !excluded.contains(place) && nodes[place].acceptsWork
                && room.holder(of: need.ports) == nil
            {
                guard let other = fit(place, room) else { continue }
                if best.map({ other.score.isBetter(than: $0.score) }) ?? true { best = other }
            }
            return best
        }
    }

    /// Whether enough nodes could hold it when nothing else ran there.
    mutating func isPossible(_ need: Need) -> Bool {
        withRanking(need) { ranking, _ in ranking.able >= need.request.nodes }
    }

    /// Nodes that take work and could hold it when nothing else ran there.
    mutating func openCount(_ need: Need) -> Int {
        withRanking(need) { ranking, _ in ranking.open }
    }

    private mutating func withRanking<Answer>(
        _ need: Need, _ body: (inout Ranking, [Node]) -> Answer
    ) -> Answer {
        let place = ranked[need] ?? addRanking(need)
        let newest = dropped + changes.count
        if rankings[place].seen < dropped {
            rankings[place] = Ranking(need, nodes, seen: newest)
        }
        for change in rankings[place].seen..<newest {
            let node = Int(changes[change - dropped])
            if lastChange[node] == change { rankings[place].update(node, nodes[node]) }
        }
        rankings[place].seen = newest
        return body(&rankings[place], nodes)
    }

    private mutating func addRanking(_ need: Need) -> Int {
        if rankings.count >= Self.mostRankings { (rankings, ranked) = ([], [:]) }
        rankings.append(Ranking(need, nodes, seen: dropped + changes.count))
        ranked[need] = rankings.count - 1
        return rankings.count - 1
    }

    /// The same need, as one that compares quickly with what is kept here.
    func known(_ need: Need) -> Need { ranked[need].map { rankings[$0].need } ?? need }
}

extension NodeInventory {
    /// What is left where nodes that are alike are the same.
    fileprivate var nameless: NodeInventory {
        var plain = self
        plain.hostname = ""
        plain.labels = [:]
        let numbers = Dictionary(
            gpus.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { a, _ in a })
        for place in gpus.indices {
            plain.gpus[place].id = "\(place)"
            plain.gpus[place].parent = gpus[place].parent.map { parent in
                numbers[parent].map { "\($0)" } ?? parent
            }
        }
        return plain
    }
}
