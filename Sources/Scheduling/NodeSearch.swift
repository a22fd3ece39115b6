import JobModel

/// The search for the best place for one task on one node: sets of NUMA nodes, the fewest first; in each the GPUs, then the
/// cores; of all that fit the one with the best score.
struct NodeSearch {
    /// Where on the node, before cores are named.
    struct Choice {
        var score: Score
        var numa: NodeShape.NUMASet
        /// Positions.
        var gpus: [Int]
        /// NUMA nodes whose cores are taken first.
        var near: NodeShape.NUMASet
        var kinds: CoreKinds
    }

    enum CoreKinds: CaseIterable { case performance, efficiency, both }

    let room: NodeResources
    let shape: NodeShape
    let need: NodeNeed
    var kinds = CoreKinds.both
    /// CPUs that the task may have, by NUMA node.
    var capacity: [Int32]
    /// Taken by the cores that were looked at last, by NUMA node and by cache.
    var taken: [Int32]
    var picked: [Int32]
    /// Whole GPUs that nobody has, as a set where there are few.
    var freeGPUs: GPULinks.Small = 0
    private var best: Choice?

    init(_ room: NodeResources, _ need: NodeNeed) {
        self.room = room
        self.need = need
        shape = room.shape
        capacity = .init(repeating: 0, count: shape.numaNodes.count)
        taken = capacity
        picked = .init(repeating: 0, count: shape.domains.count)
        guard need.gpus > 0, shape.links.isTabled else { return }
        for place in shape.gpus.indices where isFree(place) { freeGPUs |= 1 << place }
    }

    func isFree(_ gpu: Int) -> Bool {
        room.gpus[gpu] == Int16(NodeResources.wholeGPU) && !shape.gpus[gpu].isSliced
    }

    /// The best place; nil where there is none now.
    static func best(_ need: NodeNeed, on room: NodeResources) -> Choice? {
        var search = NodeSearch(room, need)
        return search.search()
    }

    mutating func search() -> Choice? {
        guard isOpen else { return nil }
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

    /// What can be said without looking any closer.
    private var isOpen: Bool {
        let request = need.request
        guard need.isPossible, !room.isExclusive, !request.exclusive || room.isIdle,
            need.memory <= room.freeMemory, room.has(request.labels)
        else { return false }
        guard need.gpus > 0 else { return true }
        let least = need.share ?? Int16(NodeResources.wholeGPU)
        return need.matching.reduce(0) { $0 + (room.gpus[$1] >= least ? 1 : 0) } >= need.gpus
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
        var left = numa
        while left != 0 {
            let place = left.trailingZeroBitCount
            left &= left - 1
            cpus += Int(capacity[place])
            memory += room.numa[place].memory
        }
        return cpus >= need.cpus && memory >= need.memory
    }

    /// Puts a place beside the best one so far. What its cores are like is found out only where the rest is not worse.
    mutating func consider(_ numa: NodeShape.NUMASet, _ gpus: [Int], _ score: Score) {
        if let best, isWorse(score, best.score) { return }
        var near: NodeShape.NUMASet = 0
        for gpu in gpus { if let home = shape.gpus[gpu].numa { near |= 1 << UInt64(home) } }
        var score = score
        if need.cpus > 0 { addCores(&score, numa, near) }
        addLeftovers(&score, numa)
        if let best, !score.isBetter(than: best.score) { return }
        best = Choice(score: score, numa: numa, gpus: gpus, near: near, kinds: kinds)
    }

    /// By the lines above the cores' own.
    private func isWorse(_ a: Score, _ b: Score) -> Bool {
        (a.numaNodes, a.gpusBegun, a.gpuShareLeft, a.linksLost, -a.links)
            > (b.numaNodes, b.gpusBegun, b.gpuShareLeft, b.linksLost, -b.links)
    }
}
