import JobModel

extension NodeResources {
    /// A way to fit one task, and how good it is.
    struct Fit {
        var placement: Placement
        /// NUMA nodes that it spans.
        var span: Int
        /// CPUs of those NUMA nodes that stay free.
        var leftover: Int
    }

    /// Whether the request fits when nothing else runs here.
    func couldFit(_ request: ResourceRequest) -> Bool { emptied.fit(request, node: "") != nil }

    /// Fewest NUMA nodes, and among those the tightest fit. With `numa: local` a task never spans more NUMA nodes than it would on
    /// the empty node: it waits instead. Nil where it does not fit now.
    func fit(_ request: ResourceRequest, node: String) -> Fit? {
        guard request.gpus.count <= freeGPUs.count else { return nil }
        let gpus = Array(freeGPUs.prefix(request.gpus.count))
        guard request.cpus > 0 else {
            guard unpinned < Self.unpinnedLimit, request.memory ?? 0 <= freeMemory else {
                return nil
            }
            let placement = Placement(node: node, cpus: [], numaNodes: [], gpus: gpus)
            return Fit(placement: placement, span: 0, leftover: freeCPUCount)
        }
        guard request.cpus <= freeCPUCount, request.memory ?? 0 <= freeMemory else { return nil }
        guard let least = emptied.leastSpan(request) else { return nil }
        let most = request.numa != .none ? least : numaNodes.count
        for span in least...max(least, most) {
            if let places = choose(span, request) {
                return fit(request, on: places, gpus: gpus, node: node)
            }
        }
        return nil
    }

    /// How many NUMA nodes the request needs at least, of those that are free.
    private func leastSpan(_ request: ResourceRequest) -> Int? {
        (1...max(1, numaNodes.count)).first { choose($0, request) != nil }
    }

    /// Positions of `span` NUMA nodes that hold the request together: the tightest one, or the roomiest several.
    private func choose(_ span: Int, _ request: ResourceRequest) -> [Int]? {
        let memory = request.memory ?? 0
        if span == 1 {
            let fitting = numaNodes.indices.filter {
                numaNodes[$0].freeCPUs.count >= request.cpus && numaNodes[$0].freeMemory >= memory
            }
            return fitting.min { numaNodes[$0].freeCPUs.count < numaNodes[$1].freeCPUs.count }
                .map { [$0] }
        }
        guard span <= numaNodes.count else { return nil }
        let byCPUs = numaNodes.indices.sorted {
            (numaNodes[$0].freeCPUs.count, numaNodes[$0].freeMemory)
                > (numaNodes[$1].freeCPUs.count, numaNodes[$1].freeMemory)
        }
        let byMemory = numaNodes.indices.sorted {
            numaNodes[$0].freeMemory > numaNodes[$1].freeMemory
        }
        for order in [byCPUs, byMemory] {
            let places = Array(order.prefix(span))
            let cpus = places.reduce(0) { $0 + numaNodes[$1].freeCPUs.count }
            let free = places.reduce(Int64(0)) { $0 + numaNodes[$1].freeMemory }
            if cpus >= request.cpus, free >= memory { return places }
        }
        return nil
    }

    private func fit(_ request: ResourceRequest, on places: [Int], gpus: [String], node: String)
        -> Fit
    {
        var cpus: [Int] = []
        for place in places {
            cpus += numaNodes[place].freeCPUs.prefix(request.cpus - cpus.count)
        }
        let free = places.reduce(0) { $0 + numaNodes[$1].freeCPUs.count }
        let placement = Placement(
            node: node, cpus: cpus.sorted(), numaNodes: places.map { numaNodes[$0].id }.sorted(),
            gpus: gpus)
        return Fit(placement: placement, span: places.count, leftover: free - request.cpus)
    }
}
