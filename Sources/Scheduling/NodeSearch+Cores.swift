import JobModel

extension NodeSearch {
    /// CPUs that the task may have of a cache's cores.
    func available(_ domain: Int) -> Int32 {
        switch kinds {
        case .performance where shape.domains[domain].isEfficient: 0
        case .efficiency where !shape.domains[domain].isEfficient: 0
        default:
            need.request.smt == .whole ? room.domains[domain].whole : room.domains[domain].threads
        }
    }

    /// What each NUMA node has for the task, less what is kept there for those that wait for its GPUs.
    mutating func findCapacity() {
        for place in shape.numaNodes.indices {
            var free: Int32 = 0
            for domain in shape.numaNodes[place].domains { free += available(domain) }
            capacity[place] = free
        }
        let waiting = need.kept.filter { room.has($0.labels) }
        guard !waiting.isEmpty else { return }
        for place in capacity.indices {
            let kept = waiting.map { waiting in
                let free = waiting.matching.reduce(0) {
                    $0 + (shape.gpus[$1].numa == place && room.gpus[$1] > 0 ? 1 : 0)
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
        var (performance, efficiency) = (0, 0)
        for domain in picked.indices where picked[domain] > 0 {
            score.l3Domains += 1
            score.cpus += Int(picked[domain])
            let size = Int32(shape.domains[domain].threads.count)
            if room.domains[domain].whole == size, picked[domain] < size { score.l3Begun += 1 }
            if shape.domains[domain].isEfficient {
                efficiency += Int(picked[domain])
            } else {
                performance += Int(picked[domain])
            }
        }
        score.coreKinds = performance > 0 && efficiency > 0 ? 2 : 1
        score.efficiencyCPUs = efficiency
        score.distance = shape.distance(numa)
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
            var places = numa
            while places != 0 {
                let place = places.trailingZeroBitCount
                places &= places - 1
                let most = capacity[place] - taken[place]
                guard most > 0 else { continue }
                for domain in shape.numaNodes[place].domains where picked[domain] == 0 {
                    let free = min(available(domain), most)
                    guard free > 0 else { continue }
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
        guard need.request.smt == .whole else { return cpus }
        let width = Int32(shape.domains[domain].coreWidth)
        return min((cpus + width - 1) / width * width, available(domain))
    }
}
