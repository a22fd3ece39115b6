import JobModel

/// The search for the best place for one task on one node: sets of NUMA nodes, the fewest first; in each the GPUs, then the
/// cores; of all that fit the one with the best score.
struct NodeSearch {
    /// Where on the node, before cores are named.
    struct Choice {
        var score: Score
        var numa: NodeShape.NUMASet
        var gpus: GPUSet
        var kinds: CoreKinds
    }

    enum CoreKinds: CaseIterable { case performance, efficiency, both }

    let room: NodeResources
    let shape: NodeShape
    let need: NodeNeed
    var kinds = CoreKinds.both
    /// CPUs that the task may have, by cache and by NUMA node.
    var available: [Int32]
    var capacity: [Int32]
    /// Taken by the cores that were looked at last, by cache and by NUMA node.
    var picked: [Int32]
    var taken: [Int32]
    /// Whole GPUs that nobody has.
    let freeGPUs: GPUSet
    let freeCPUs: Int
    private var best: Choice?
    /// Not to be found again.
    private var avoided: Choice?

    private init(_ room: NodeResources, _ need: NodeNeed) {
        self.room = room
        self.need = need
        shape = room.shape
        capacity = .init(repeating: 0, count: shape.numaNodes.count)
        taken = capacity
        available = .init(repeating: 0, count: shape.domains.count)
        picked = available
        freeGPUs = room.freeGPUs
        freeCPUs = room.freeCPUCount
    }

    /// The best place; nil where there is none now.
    static func best(_ need: NodeNeed, on room: NodeResources) -> Choice? {
        guard isOpen(room, need) else { return nil }
        var search = NodeSearch(room, need)
        return search.search()
    }

    /// The best place with its CPUs and GPUs named; nil where there is none now.
    static func fit(_ need: NodeNeed, on room: NodeResources, node: String) -> NodeResources.Fit? {
        guard isOpen(room, need) else { return nil }
        var search = NodeSearch(room, need)
        return search.search().map { search.fit($0, node) }
    }

    /// The best place, and the best on other NUMA nodes or GPUs of the node.
    static func twoFits(
        _ need: NodeNeed, on room: NodeResources, node: String
    ) -> (best: NodeResources.Fit, next: NodeResources.Fit?)? {
        guard isOpen(room, need) else { return nil }
        var search = NodeSearch(room, need)
        guard let best = search.search() else { return nil }
        var others = NodeSearch(room, need)
        others.avoided = best
        return (search.fit(best, node), others.search().map { others.fit($0, node) })
    }

    private mutating func fit(_ choice: Choice, _ node: String) -> NodeResources.Fit {
        NodeResources.Fit(placement: placement(choice, node: node), score: choice.score)
    }

    /// What can be said without looking any closer.
    private static func isOpen(_ room: NodeResources, _ need: NodeNeed) -> Bool {
        guard need.isPossible, !room.isExclusive, room.freeCPUCount >= need.cpus,
            need.memory <= room.freeMemory
        else { return false }
        if need.request.exclusive, !room.isIdle { return false }
        return (need.gpus == 0 || room.gpus(having: need.least, of: need.matching) >= need.gpus)
            && room.has(need.request.labels)
    }

    private mutating func search() -> Choice? {
        if need.cpus == 0 {
            searchUnpinned()
        } else if need.request.numa == .spread {
            search(.both) { $0.searchSpread() }
        } else if shape.hasKinds {
            for kinds in CoreKinds.allCases { search(kinds) { $0.searchSubsets() } }
        } else {
            search(.both) { $0.searchSubsets() }
        }
        return best
    }

    private mutating func search(_ kinds: CoreKinds, _ body: (inout NodeSearch) -> Void) {
        self.kinds = kinds
        findCapacity()
        if capacity.reduce(0, { $0 + Int($1) }) >= need.cpus { body(&self) }
    }

    private mutating func searchUnpinned() {
        guard room.unpinned < NodeResources.unpinnedLimit else { return }
        considerGPUs(shape.allNUMANodes, Score())
    }

    private mutating func searchSubsets() {
        guard need.mostSpan > 0 else { return }
        // Another kind of core may have found a place already; more NUMA nodes than that has are of no use.
        for span in 1...need.mostSpan where span <= best?.score.numaNodes ?? .max {
            for numa in shape.subsets[span] where holds(numa) {
                var score = Score()
                score.numaNodes = span
                considerGPUs(numa, score)
            }
            if best != nil { return }
        }
    }

    /// Whether these NUMA nodes have the CPUs and the memory together.
    private func holds(_ numa: NodeShape.NUMASet) -> Bool {
        var (cpus, memory) = (0, Int64(0))
        for place in NodeShape.places(numa) {
            cpus += Int(capacity[place])
            memory += room.numa[place].memory
        }
        return cpus >= need.cpus && memory >= need.memory
    }

    /// Puts a place beside the best one so far. What its cores are like is found out only where the rest is not worse.
    mutating func consider(_ numa: NodeShape.NUMASet, _ gpus: GPUSet, _ score: Score) {
        if let best, score.gpusAreWorse(than: best.score) { return }
        if let avoided, avoided.numa == numa, avoided.gpus == gpus { return }
        var score = score
        if need.cpus > 0 { addCores(&score, numa, shape.homes(of: gpus)) }
        addLeftovers(&score, numa)
        if let best, !score.isBetter(than: best.score) { return }
        score.weakestLink = shape.links.weakest(gpus)
        best = Choice(score: score, numa: numa, gpus: gpus, kinds: kinds)
    }
}
