import JobModel

extension NodeSearch {
    /// Of more GPUs not all sets are looked at.
    private static let enumerated = 8

    /// Looks at the sets of GPUs that go with these NUMA nodes.
    mutating func considerGPUs(_ numa: NodeShape.NUMASet, _ score: Score) {
        guard need.gpus > 0 else { return consider(numa, GPUSet(), score) }
        var usable = need.matching & shape.gpus(on: numa)
        for gpu in usable where room.gpus[gpu] < need.least { usable = usable - GPUSet([gpu]) }
        guard usable.count >= need.gpus else { return }
        var score = score
        score.gpus = need.gpus
        if need.request.gpus.share != nil {
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
        let isBegun = !freeGPUs.contains(gpu)
        score.gpusBegun = isBegun ? 0 : 1
        score.gpuShareLeft = Int(room.gpus[gpu] - need.least)
        score.linksCut = isBegun ? 0 : cut(GPUSet([gpu]))
        consider(numa, GPUSet([gpu]), score)
    }

    /// Slices of cards of which others have slices already, before whole cards are begun.
    private mutating func considerSlices(
        _ usable: GPUSet, _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        let isIdle = usable.map { (shape.slices(beside: $0) - freeGPUs).isEmpty }
        let order = zip(isIdle, usable).sorted { ($0.0 ? 1 : 0, $0.1) < ($1.0 ? 1 : 0, $1.1) }
        let chosen = order.prefix(need.gpus)
        var score = score
        score.gpusBegun = chosen.reduce(0) { $0 + ($1.0 ? 1 : 0) }
        consider(numa, GPUSet(chosen.map(\.1)), score)
    }

    private mutating func considerAll(
        _ usable: GPUSet, _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        let places = Array(usable)
        // Gosper's hack: all sets of one size, the lowest positions first.
        var set = (1 << need.gpus) - 1
        while set < 1 << places.count {
            var gpus = GPUSet()
            var left = set
            while left != 0 {
                gpus.insert(places[left.trailingZeroBitCount])
                left &= left - 1
            }
            considerWhole(gpus, numa, score)
            let low = set & -set
            let next = set + low
            set = next | ((set ^ next) >> 2) / low
        }
    }

    private mutating func considerWhole(
        _ gpus: GPUSet, _ numa: NodeShape.NUMASet, _ score: Score
    ) {
        if need.request.gpus.link == .nvlink, !shape.links.areDirect(gpus) { return }
        var score = score
        score.links = shape.links.sum(gpus)
        score.linksLost = shape.links.loss(taking: gpus, of: freeGPUs)
        score.linksCut = cut(gpus)
        consider(numa, gpus, score)
    }

    /// Nearness between these and the other free ones.
    private func cut(_ gpus: GPUSet) -> Int { shape.links.sum(gpus, with: freeGPUs - gpus) }

    /// A set that begins with one GPU, each next one the nearest to those it has; among equals the one that others miss least.
    private func grown(from seed: Int, _ usable: GPUSet) -> GPUSet {
        let links = shape.links
        var set = GPUSet([seed])
        while set.count < need.gpus {
            var best: (gain: Int, missed: Int, gpu: Int)?
            for gpu in usable - set {
                let own = GPUSet([gpu])
                let (gain, missed) = (links.sum(own, with: set), links.sum(own, with: usable - own))
                if let best, (gain, -missed) <= (best.gain, -best.missed) { continue }
                best = (gain, missed, gpu)
            }
            guard let best else { break }
            set.insert(best.gpu)
        }
        return set
    }
}
