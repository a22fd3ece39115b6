import JobModel

extension NodeSearch {
    /// What caches and NUMA nodes have for the task, less what is kept for those that wait for GPUs.
    mutating func findCapacity() {
        for place in capacity.indices { capacity[place] = 0 }
        for (place, domain) in shape.domains.enumerated() {
            var free =
                need.takesWholeCores ? room.domains[place].whole : room.domains[place].threads
            switch kinds {
            case .performance where domain.isEfficient: free = 0
            case .efficiency where !domain.isEfficient: free = 0
            default: break
            }
            available[place] = free
            capacity[domain.numa] += free
        }
        let waiting = need.kept.filter { room.has($0.labels) }
        guard !waiting.isEmpty else { return }
        for place in capacity.indices {
            let kept = waiting.map { waiting in
                let free = (waiting.matching & shape.numaNodes[place].gpus).reduce(0) {
                    $0 + (room.gpus[$1] > 0 ? 1 : 0)
                }
                return min(free, waiting.gpus) * waiting.cpus
            }.max()
            capacity[place] = max(0, capacity[place] - Int32(clamping: kept ?? 0))
        }
    }

    /// Picks cores, nearest to the GPUs first, and tells what they are like.
    mutating func addCores(
        _ score: inout Score, _ numa: NodeShape.NUMASet, _ near: NodeShape.NUMASet
    ) {
        // Of GPUs that lie nowhere in particular no core is far.
        let isAnywhere = near & numa == 0
        let left = pick(numa, near)
        score.remoteCPUs = isAnywhere ? 0 : left
        score.distance = shape.distance(numa)
        for place in NodeShape.places(numa) where taken[place] > 0 {
            score.cpus += Int(taken[place])
            for domain in shape.numaNodes[place].domains where picked[domain] > 0 {
                score.l3Domains += 1
                let size = Int32(shape.domains[domain].threads.count)
                if room.domains[domain].whole == size, picked[domain] < size { score.l3Begun += 1 }
                if shape.domains[domain].isEfficient { score.efficiencyCPUs += Int(picked[domain]) }
            }
        }
        score.coreKinds = score.efficiencyCPUs > 0 && score.efficiencyCPUs < score.cpus ? 2 : 1
    }

    /// Fills `picked` and `taken`. Returns how many CPUs are not near.
    mutating func pick(_ numa: NodeShape.NUMASet, _ near: NodeShape.NUMASet) -> Int {
        for place in taken.indices { taken[place] = 0 }
        for place in picked.indices { picked[place] = 0 }
        if need.request.numa == .spread {
            pickEvenly()
            return 0
        }
        var left = Int32(need.cpus)
        if near & numa != 0 { left = pick(left, numa & near) }
        let far = left
        if left > 0 { _ = pick(left, numa & ~near) }
        return Int(far)
    }

    /// From the fewest caches: the tightest one that has all that is left, else the roomiest. Returns what they lacked.
    mutating func pick(_ amount: Int32, _ numa: NodeShape.NUMASet) -> Int32 {
        var left = amount
        while left > 0 {
            var (best, bestFree) = (-1, Int32(0))
            for place in NodeShape.places(numa) {
                let most = capacity[place] - taken[place]
                guard most > 0 else { continue }
                for domain in shape.numaNodes[place].domains where picked[domain] == 0 {
                    let free = min(available[domain], most)
                    let isBetter =
                        bestFree >= left ? free >= left && free < bestFree : free > bestFree
                    if isBetter { (best, bestFree) = (domain, free) }
                }
            }
            guard best >= 0 else { break }
            let share = rounded(min(left, bestFree), best)
            picked[best] = share
            taken[shape.domains[best].numa] += share
            left -= share
        }
        return max(0, left)
    }

    /// Cores are given whole, unless threads are wanted singly.
    private func rounded(_ cpus: Int32, _ domain: Int) -> Int32 {
        guard need.takesWholeCores else { return cpus }
        let width = Int32(shape.domains[domain].coreWidth)
        return min((cpus + width - 1) / width * width, available[domain])
    }
}
