import JobModel

/// The nodes in the order in which one need would have them: a tournament whose winner is at the top, of which only the games of
/// those that changed are played anew.
struct Ranking: Sendable {
    let need: Need
    /// What the need is to each shape of node.
    private var shaped: [ObjectIdentifier: NodeNeed] = [:]
    private var ranks: [Rank?]
    /// Winner of each game, -1 where nobody came; the players are behind the games.
    private var winners: [Int32]
    private let width: Int
    /// Changes of the pool that have been seen.
    var seen: Int
    /// Nodes that hold one of its tasks when nothing else runs there.
    private(set) var able = 0
    /// Those of them that take work.
    private(set) var open = 0
    private var isOpen: [Bool]

    init(_ need: Need, _ nodes: [NodePool.Node], seen: Int) {
        self.need = need
        self.seen = seen
        ranks = .init(repeating: nil, count: nodes.count)
        isOpen = .init(repeating: false, count: nodes.count)
        width = max(1, nodes.count).nextPowerOfTwo
        winners = .init(repeating: -1, count: 2 * width)
        var known: [RoomKey: Rank?] = [:]
        for place in nodes.indices {
            let node = nodes[place]
            if isAble(node) {
                able += 1
                isOpen[place] = node.acceptsWork
                if node.acceptsWork { open += 1 }
            }
            let key = RoomKey(node)
            let rank = known[key] ?? rank(node)
            if need.ports.isEmpty { known[key] = rank }
            ranks[place] = rank
            winners[width + place] = rank == nil ? -1 : Int32(place)
        }
        for game in stride(from: width - 1, to: 0, by: -1) { play(game) }
    }

    /// The best node, by position; nil where none has room.
    var best: Int? { winners[1] >= 0 ? Int(winners[1]) : nil }

    private mutating func isAble(_ node: NodePool.Node) -> Bool {
        node.resources.has(need.request.labels) && shapedNeed(node).isPossible
    }

    mutating func update(_ place: Int, _ node: NodePool.Node) {
        let isOpen = node.acceptsWork && isAble(node)
        if isOpen != self.isOpen[place] {
            open += isOpen ? 1 : -1
            self.isOpen[place] = isOpen
        }
        let rank = rank(node)
        guard rank != ranks[place] else { return }
        ranks[place] = rank
        seat(place, rank == nil ? -1 : Int32(place))
    }

    /// The best node that is not among some.
    mutating func best(except excluded: Set<Int>) -> Int? {
        guard !excluded.isEmpty else { return best }
        var away: [Int] = []
        while let place = best, excluded.contains(place) {
            seat(place, -1)
            away.append(place)
        }
        defer { for place in away { seat(place, Int32(place)) } }
        return best
    }

    mutating func shapedNeed(_ node: NodePool.Node) -> NodeNeed {
        let id = ObjectIdentifier(node.resources.shape)
        if let known = shaped[id] { return known }
        let new = NodeNeed(need.request, on: node.resources.shape, keeping: need.waiting)
        shaped[id] = new
        return new
    }

    private mutating func rank(_ node: NodePool.Node) -> Rank? {
        let shaped = shapedNeed(node)
        guard node.acceptsWork, node.resources.holder(of: need.ports) == nil else { return nil }
        return NodeSearch.best(shaped, on: node.resources).map { Rank($0.score) }
    }

    private mutating func seat(_ place: Int, _ player: Int32) {
        winners[width + place] = player
        var game = (width + place) / 2
        while game > 0 {
            play(game)
            game /= 2
        }
    }

    private mutating func play(_ game: Int) {
        let (a, b) = (winners[2 * game], winners[2 * game + 1])
        guard a >= 0, b >= 0, let first = ranks[Int(a)], let second = ranks[Int(b)] else {
            winners[game] = max(a, b)
            return
        }
        // Of equals the first.
        winners[game] = second.isBetter(than: first) ? b : a
    }

    /// Nodes with the same are as good as each other.
    private struct RoomKey: Hashable {
        let shape: ObjectIdentifier
        let domains: [NodeResources.DomainRoom]
        let numa: [NodeResources.NUMARoom]
        let gpus: [Int16]
        let labels: [String: String]
        let unpinned: Int
        let flags: [Bool]

        init(_ node: NodePool.Node) {
            let room = node.resources
            shape = ObjectIdentifier(room.shape)
            domains = room.domains
            numa = room.numa
            gpus = room.gpus
            labels = room.labels
            unpinned = room.unpinned
            flags = [node.acceptsWork, room.isExclusive, room.isIdle]
        }
    }
}

extension Int {
    fileprivate var nextPowerOfTwo: Int {
        self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount)
    }
}
