import JobModel

extension NodeSearch {
    /// All NUMA nodes with CPUs, each with its part.
    mutating func searchSpread() {
        let all = spreadNodes
        let parts = evenly
        guard !all.isEmpty, zip(all, parts).allSatisfy({ Int(capacity[$0]) >= $1 }),
            all.allSatisfy({ room.numa[$0].memory >= evenMemory(all.count) })
        else { return }
        var score = Score()
        score.numaNodes = all.count
        considerGPUs(all.reduce(0) { $0 | 1 << UInt64($1) }, score)
    }

    mutating func pickEvenly() {
        for (place, part) in zip(spreadNodes, evenly) {
            _ = pick(Int32(part), 1 << UInt64(place))
        }
    }

    private var spreadNodes: [Int] {
        shape.numaNodes.indices.filter { !shape.numaNodes[$0].threads.isEmpty }
    }

    /// CPUs for each: cores are not split, and the first have one more where they do not come out even.
    private var evenly: [Int] {
        let count = max(1, spreadNodes.count)
        let width = need.takesWholeCores ? shape.coreWidth : 1
        let cores = (need.cpus + width - 1) / width
        return (0..<count).map { (cores / count + ($0 < cores % count ? 1 : 0)) * width }
    }

    private func evenMemory(_ count: Int) -> Int64 {
        (need.memory + Int64(count) - 1) / Int64(count)
    }

    /// What is left of the node once the cores that were picked last are gone.
    func addLeftovers(_ score: inout Score, _ numa: NodeShape.NUMASet) {
        switch need.request.packing {
        case .pack: score.nodesBegun = room.isIdle ? 1 : 0
        case .spread: score.load = (room.cpuCount - freeCPUs) * 1000 / max(1, room.cpuCount)
        }
        score.nodeCPUsLeft = freeCPUs - score.cpus
        if need.gpus == 0, !freeGPUs.isEmpty { score.besideGPUs = 1 }
        guard need.cpus > 0 else { return }
        for place in NodeShape.places(numa) {
            let total = Int32(shape.numaNodes[place].threads.count)
            let left = room.numa[place].threads - taken[place]
            score.cpusLeft += Int(left)
            if room.numa[place].threads == total, left > 0 { score.numaNodesBegun += 1 }
            if need.gpus == 0, !(shape.numaNodes[place].gpus & freeGPUs).isEmpty {
                score.cpusBesideGPUs += Int(taken[place])
            }
        }
    }
}
