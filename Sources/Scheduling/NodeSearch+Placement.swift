import JobModel

extension NodeSearch {
    /// Names the CPUs and GPUs of a choice that this search made.
    mutating func placement(_ choice: Choice, node: String) -> Placement {
        let gpus = choice.gpus.map { room.gpuIDs[$0] }
        guard need.cpus > 0 else {
            return Placement(
                node: node, cpus: [], numaNodes: [], gpus: gpus, gpuShare: need.request.gpus.share)
        }
        if kinds != choice.kinds {
            kinds = choice.kinds
            findCapacity()
        }
        _ = pick(choice.numa, shape.homes(of: choice.gpus))
        var cpus: [Int] = []
        for domain in picked.indices where picked[domain] > 0 {
            add(Int(picked[domain]), of: domain, to: &cpus)
        }
        let ids = NodeShape.places(choice.numa).map { shape.numaNodes[$0].id }
        return Placement(
            node: node, cpus: cpus.sorted(), numaNodes: ids.sorted(), gpus: gpus,
            gpuShare: need.request.gpus.share)
    }

    /// The lowest cores of a cache; where threads are given singly, what is left of split ones first.
    private func add(_ count: Int, of domain: Int, to cpus: inout [Int]) {
        let end = cpus.count + count
        let threads = shape.domains[domain].threads
        let takesWhole = need.takesWholeCores
        for wantsWhole in takesWhole ? [true] : [false, true] {
            var thread = threads.lowerBound
            while thread < threads.upperBound, cpus.count < end {
                let core = shape.cores[thread]
                if room.isWhole(core) == wantsWhole {
                    for place in Int(core.lowerBound)..<Int(core.upperBound)
                    where room.isFree(place) && (takesWhole || cpus.count < end) {
                        cpus.append(shape.cpus[place])
                    }
                }
                thread = Int(core.upperBound)
            }
        }
    }
}
