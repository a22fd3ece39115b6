import JobModel

/// GPU tasks that wait, for whom cores beside free GPUs are kept.
struct WaitingGPUs: Hashable, Sendable {
    var request: ResourceRequest
    /// For each GPU.
    var cpus: Int
    /// In all, or as many as any node has.
    var gpus: Int
}

/// A request as one shape of node sees it: everything about it that does not depend on what is free.
struct NodeNeed: Sendable {
    let request: ResourceRequest
    let cpus: Int
    let memory: Int64
    /// Thousandths of the one GPU; nil where whole ones are wanted.
    let share: Int16?
    /// GPUs of the shape that would do, by position.
    let matching: [Int]
    /// NUMA nodes that a task may lie on at most.
    private(set) var mostSpan: Int
    /// Whether an empty node holds it.
    private(set) var isPossible = true
    /// For tasks without GPUs: GPUs that others wait for, with the CPUs for each of so many.
    private(set) var kept: [Kept] = []

    struct Kept: Sendable {
        let matching: [Int]
        let labels: [String: String]
        let cpus: Int
        let gpus: Int
    }

    var gpus: Int { request.gpus.count }

    init(_ request: ResourceRequest, on shape: NodeShape, keeping waiting: [WaitingGPUs] = []) {
        self.request = request
        cpus = request.cpus
        memory = request.memory ?? 0
        share = request.gpus.share.map { Int16(clamping: $0) }
        matching = Self.matching(request.gpus, shape)
        mostSpan = shape.numaNodes.count
        // With nobody waiting, whatever the labels: nodes of one shape differ in those.
        let empty = NodeResources(shape, labels: request.labels)
        guard let least = NodeSearch.best(self, on: empty)?.score.numaNodes else {
            isPossible = false
            return
        }
        switch request.numa {
        case .local: mostSpan = least
        case .strict:
            mostSpan = 1
            if least > 1 { isPossible = false }
        case .spread, .none: break
        }
        guard request.gpus.count == 0 else { return }
        for other in waiting {
            let need = NodeNeed(other.request, on: shape)
            guard need.isPossible else { continue }
            kept.append(
                Kept(
                    matching: need.matching, labels: other.request.labels, cpus: other.cpus,
                    gpus: other.gpus))
        }
    }

    /// GPUs that would do, whatever else has them now.
    private static func matching(_ request: GPURequest, _ shape: NodeShape) -> [Int] {
        guard request.count > 0 else { return [] }
        let model = request.model?.lowercased()
        return shape.gpus.indices.filter { place in
            let gpu = shape.gpus[place]
            guard !gpu.isSliced, gpu.profile == request.profile else { return false }
            if let model, !gpu.model.contains(model) { return false }
            guard request.leastMemory != nil || request.mostMemory != nil else { return true }
            // What is not known is not within bounds.
            guard let memory = gpu.memory else { return false }
            return (request.leastMemory ?? 0) <= memory && memory <= request.mostMemory ?? .max
        }
    }
}
