import JobModel

/// GPU tasks that wait, for whom cores beside free GPUs are kept.
struct WaitingGPUs: Hashable, Sendable {
    var request: ResourceRequest
    /// For each GPU, of each of so many tasks that share it.
    var cpus: Int
    var sharers: Int
    /// In all, or as many as any node has.
    var gpus: Int
}

/// A request as one shape of node sees it: everything about it that does not depend on what is free. A class, since every
/// look at a node passes it on.
final class NodeNeed: Sendable {
    struct Kept: Sendable {
        let matching: GPUSet
        let labels: [String: String]
        let cpus: Int
        let gpus: Int
    }

    let request: ResourceRequest
    let cpus: Int
    let memory: Int64
    let gpus: Int
    /// Thousandths that a GPU must have.
    let least: Int16
    let takesWholeCores: Bool
    /// GPUs of the shape that would do, whatever else has them now.
    let matching: GPUSet
    /// NUMA nodes that a task may lie on at most.
    let mostSpan: Int
    /// Whether an empty node holds it.
    let isPossible: Bool
    /// For tasks without GPUs: GPUs that others wait for, with the CPUs for each of so many.
    let kept: [Kept]

    convenience init(
        _ request: ResourceRequest, on shape: NodeShape, keeping waiting: [WaitingGPUs] = []
    ) {
        // With nobody waiting, whatever the labels: nodes of one shape differ in those.
        let anywhere = NodeNeed(request, shape, span: shape.numaNodes.count, isPossible: true, [])
        let empty = NodeResources(shape, labels: request.labels)
        let least = NodeSearch.best(anywhere, on: empty)?.score.numaNodes
        let kept: [Kept] = (request.gpus.count > 0 ? [] : waiting).compactMap { other in
            let need = NodeNeed(other.request, on: shape)
            // They will want whole cores.
            let width = need.takesWholeCores ? shape.coreWidth : 1
            let cpus = (other.cpus + width - 1) / width * width * other.sharers
            return need.isPossible
                ? Kept(
                    matching: need.matching, labels: other.request.labels, cpus: cpus,
                    gpus: other.gpus) : nil
        }
        switch (request.numa, least) {
        case (_, nil): self.init(request, shape, span: 0, isPossible: false, kept)
        case (.local, let least?): self.init(request, shape, span: least, isPossible: true, kept)
        case (.strict, let least?):
            self.init(request, shape, span: 1, isPossible: least <= 1, kept)
        case (.spread, _), (.none, _):
            self.init(request, shape, span: shape.numaNodes.count, isPossible: true, kept)
        }
    }

    private init(
        _ request: ResourceRequest, _ shape: NodeShape, span: Int, isPossible: Bool, _ kept: [Kept]
    ) {
        self.request = request
        cpus = request.cpus
        memory = request.memory ?? 0
        gpus = request.gpus.count
        least = Int16(clamping: request.gpus.share ?? NodeResources.wholeGPU)
        takesWholeCores = request.smt == .whole
        matching = Self.matching(request.gpus, shape)
        mostSpan = span
        self.isPossible = isPossible
        self.kept = kept
    }

    private static func matching(_ request: GPURequest, _ shape: NodeShape) -> GPUSet {
        guard request.count > 0 else { return GPUSet() }
        let model = request.model?.lowercased()
        return GPUSet(
            shape.gpus.indices.filter { place in
                let gpu = shape.gpus[place]
                guard !gpu.isSliced, gpu.profile == request.profile else { return false }
                if let model, !gpu.model.contains(model) { return false }
                guard request.leastMemory != nil || request.mostMemory != nil else { return true }
                // What is not known is not within bounds.
                guard let memory = gpu.memory else { return false }
                return (request.leastMemory ?? 0) <= memory && memory <= request.mostMemory ?? .max
            })
    }
}
