import JobModel

/// Why a request can never be met by the nodes that there are.
struct Shortage {
    private let request: ResourceRequest
    /// Those with the labels.
    private let rooms: [NodeResources]
    private let hasLabels: Bool

    /// A sentence, of a request that not enough nodes could hold if they were empty.
    static func text(_ request: ResourceRequest, _ nodes: [NodePool.Node]) -> String {
        let all = nodes.map(\.resources).filter { $0.cpuCount > 0 }
        for (name, value) in request.labels.sorted(by: { $0.key < $1.key })
        where !all.contains(where: { $0.labels[name] == value }) {
            return "needs a node with \(name): \(value), there is none"
        }
        let rooms = all.filter { $0.has(request.labels) }
        guard !rooms.isEmpty else { return "needs labels that no node has together" }
        let shortage = Shortage(
            request: request, rooms: rooms, hasLabels: !request.labels.isEmpty)
        return shortage.nodes ?? shortage.cpus ?? shortage.memory ?? shortage.gpus
            ?? shortage.together
    }

    private var noun: String { hasLabels ? "node with its labels" : "node" }

    private var nodes: String? {
        guard request.nodes > 1 else { return nil }
        let able = rooms.filter { $0.couldFit(request) }.count
        return able == 0 ? nil : "needs \(request.nodes) nodes, \(able) could hold it"
    }

    private var cpus: String? {
        let most = rooms.map(\.cpuCount).max() ?? 0
        if most < request.cpus {
            return "needs \(request.cpus) CPUs, the largest \(noun) has \(most)"
        }
        guard request.numa == .strict else { return nil }
        let together = rooms.flatMap { $0.shape.numaNodes.map(\.threads.count) }.max() ?? 0
        return together < request.cpus
            ? "needs \(request.cpus) CPUs on one NUMA node (numa: strict), the largest has \(together)"
            : nil
    }

    private var memory: String? {
        guard let wanted = request.memory else { return nil }
        let most = rooms.map(\.memory).max() ?? 0
        if most < wanted {
            return "needs \(ByteText.text(wanted)) of memory, the largest \(noun) has "
                + ByteText.text(most)
        }
        guard request.numa == .strict else { return nil }
        let together = rooms.flatMap { $0.shape.numaNodes.map(\.memory) }.max() ?? 0
        return together < wanted
            ? "needs \(ByteText.text(wanted)) of memory on one NUMA node (numa: strict), the largest has "
                + ByteText.text(together) : nil
    }

    private var gpus: String? {
        guard request.gpus.count > 0 else { return nil }
        let most = rooms.map { NodeNeed(request, on: $0.shape).matching.count }.max() ?? 0
        guard most < request.gpus.count else {
            guard request.gpus.link == .nvlink, request.gpus.count > 1 else { return nil }
            var unlinked = request
            unlinked.gpus.link = .any
            return rooms.contains { $0.couldFit(unlinked) }
                ? "needs \(GPUText.text(request.gpus)), no node has so many that are linked" : nil
        }
        return "needs \(GPUText.text(request.gpus)), "
            + (most == 0 ? "no node has one" : "the node with most has \(most)")
    }

    private var together: String {
        let place = request.numa == .strict ? "one NUMA node has" : "node has"
        return "needs \(request.cpus) CPUs, \(ByteText.text(request.memory ?? 0)) of memory and "
            + "\(GPUText.text(request.gpus)) together, no \(place) all of them"
    }
}

/// GPU requests for people.
enum GPUText {
    /// `2 GPUs`, `0.5 GPU`, `1 GPU (H100, 40 GiB or more)`.
    static func text(_ request: GPURequest) -> String {
        var traits: [String] = []
        if let model = request.model { traits.append(model) }
        if let profile = request.profile { traits.append(profile) }
        switch (request.leastMemory, request.mostMemory) {
        case (nil, nil): break
        case (let least?, nil): traits.append("\(ByteText.text(least)) or more")
        case (nil, let most?): traits.append("\(ByteText.text(most)) or less")
        case (let least?, let most?):
            traits.append("\(ByteText.text(least)) to \(ByteText.text(most))")
        }
        if request.link == .nvlink { traits.append("linked") }
        let number = request.share.map { share in "0.\(digits(share))" } ?? "\(request.count)"
        let noun = request.count == 1 ? "GPU" : "GPUs"
        return "\(number) \(noun)" + (traits.isEmpty ? "" : " (\(traits.joined(separator: ", ")))")
    }

    /// `2 GPUs`, `0.25 GPU`.
    static func amount(_ thousandths: Int) -> String {
        let (whole, part) = thousandths.quotientAndRemainder(dividingBy: NodeResources.wholeGPU)
        let number = "\(whole)" + (part > 0 ? ".\(digits(part))" : "")
        return "\(number) \(whole > 1 ? "GPUs" : "GPU")"
    }

    private static func digits(_ share: Int) -> String {
        var digits = String(share)
        digits = String(repeating: "0", count: max(0, 3 - digits.count)) + digits
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        return digits
    }
}
