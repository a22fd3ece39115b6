import JobModel

extension NodeSearch {
    /// Sets of GPUs from here on are no longer all looked at.
    private static let enumerated = 8

    /// Looks at the sets of GPUs that go with these NUMA nodes.
    mutating func considerGPUs(_ numa: NodeShape.NUMASet, _ score: Score) {
        guard need.gpus > 0 else { return consider(numa, [], score) }
        let least = need.share ?? Int16(NodeResources.wholeGPU)
        let usable = need.matching.filter { gpu in
            room.gpus[gpu] >= least
                && shape.gpus[gpu].numa.map { numa & 1 << UInt64($0) != 0 } != false
        }
        guard usable.count >= need.gpus else { return }
        if need.share != nil {
            for gpu in usable { considerShare(of: gpu, numa, score) }
        } else if need.request.gpus.profile != nil {
            considerSlices(usable, numa, score)
        } else if usable.count <= Self.enumerated {
            considerAll(usable, numa, score)
        } else {
            for seed in usable { considerWhole(grown(from: seed, usable), numa, score) }
        }
    }

    private mutating func considerShare(
        of gpu: Int, _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        var score = score
        score.gpusBegun = isFree(gpu) ? 1 : 0
        score.gpuShareLeft = Int(room.gpus[gpu] - (need.share ?? 0))
        score.linksCut = isFree(gpu) ? cut([gpu]) : 0
        score.gpus = 1
        consider(numa, [gpu], score)
    }

    /// Slices of cards of which others have slices already, before whole cards are begun.
    private mutating func considerSlices(
        _ usable: [Int], _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        let begun = usable.map { slice in
            shape.slices(beside: slice).contains { !isFree($0) }
        }
        let order = usable.indices.sorted { (begun[$0] ? 0 : 1, $0) < (begun[$1] ? 0 : 1, $1) }
        let chosen = order.prefix(need.gpus)
        var score = score
        score.gpusBegun = chosen.reduce(0) { $0 + (begun[$1] ? 0 : 1) }
        score.gpus = need.gpus
        consider(numa, chosen.map { usable[$0] }.sorted(), score)
    }

    private mutating func considerAll(
        _ usable: [Int], _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        // Gosper's hack: all sets of one size, the lowest positions first.
        var set = (1 << need.gpus) - 1
        while set < 1 << usable.count {
            considerWhole(
                usable.indices.filter { set & 1 << $0 != 0 }.map { usable[$0] }, numa, score)
            let low = set & -set
            let next = set + low
            set = next | ((set ^ next) >> 2) / low
        }
    }

    private mutating func considerWhole(
        _ gpus: [Int], _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        var score = score
        score.gpus = gpus.count
        if need.request.gpus.link == .nvlink, !shape.links.areDirect(gpus) { return }
        if shape.links.isTabled {
            let set = gpus.reduce(0) { $0 | 1 << $1 }
            let links = shape.links
            score.links = links.sum(set)
            score.linksLost =
                links.partition(freeGPUs, into: gpus.count) - score.links
                - links.partition(freeGPUs & ~set, into: gpus.count)
            score.linksCut = links.sum(freeGPUs) - score.links - links.sum(freeGPUs & ~set)
        } else {
            score.links = shape.links.sum(gpus)
            score.linksCut = cut(gpus)
        }
        score.weakestLink = shape.links.weakest(gpus)
        consider(numa, gpus, score)
    }

    /// Nearness between these and the other free ones.
    private func cut(_ gpus: [Int]) -> Int {
        var sum = 0
        for other in shape.gpus.indices where isFree(other) && !gpus.contains(other) {
            for gpu in gpus { sum += shape.links.weight(gpu, other) }
        }
        return sum
    }

    /// A set that begins with one GPU, each next one the nearest to those it has; among equals the one that others miss least.
    private func grown(from seed: Int, _ usable: [Int]) -> [Int] {
        let links = shape.links
        var set = [seed]
        var gain = usable.map { $0 == seed ? -1 : links.weight(seed, $0) }
        let all = usable.map { gpu in usable.reduce(0) { $0 + links.weight(gpu, $1) } }
        while set.count < need.gpus {
            guard
                let next = usable.indices.filter({ gain[$0] >= 0 }).max(by: {
                    (gain[$0], -all[$0], -$0) < (gain[$1], -all[$1], -$1)
                })
            else { break }
            set.append(usable[next])
            gain[next] = -1
            for place in usable.indices where gain[place] >= 0 {
                gain[place] += links.weight(usable[next], usable[place])
            }
        }
        return set.sorted()
    }
}
