extension Score {
    /// One line of a score, for people.
    public struct Line: Sendable, Hashable {
        /// What is looked at: `NUMA nodes`, `GPU links`, …
        public let name: String
        /// What there is: `1`, `NVLink 4×, nothing better broken up`, `8 of 8 CPUs beside the GPUs`.
        public let text: String
    }

    /// A line beside that of another place.
    public struct Comparison: Sendable, Hashable {
        public let name: String
        public let mine: String
        public let other: String
        /// It is the first that differs: all below it were not asked.
        public let decides: Bool
    }

    /// What there is to say of this place, in the order in which places are compared.
    public var lines: [Line] {
        Self.lines.compactMap { line in line.text(self).map { Line(name: line.name, text: $0) } }
    }

    /// In a few words: `1 NUMA node, NVLink 4×, 8 of 8 CPUs beside the GPUs, 2 L3 caches`.
    public var summary: String {
        Self.lines.filter(\.isHeadline).compactMap { $0.text(self) }.joined(separator: ", ")
    }

    /// Line by line, down to the one that decides; all of them where none does and the order of the nodes did.
    public func compared(with other: Score) -> [Comparison] {
        var comparisons: [Comparison] = []
        for line in Self.lines {
            let decides = line.by.contains { self[keyPath: $0] != other[keyPath: $0] }
            let (mine, theirs) = (line.text(self), line.text(other))
            if decides || mine != nil || theirs != nil {
                comparisons.append(
                    Comparison(
                        name: line.name, mine: mine ?? "none", other: theirs ?? "none",
                        decides: decides))
            }
            if decides { break }
        }
        return comparisons
    }
}

extension Score {
    /// How a line is shown, in the order of `isBetter`.
    private struct Shown {
        let name: String
        var isHeadline = false
        let by: [any KeyPath<Score, Int> & Sendable]
        /// Nil where there is nothing to say.
        let text: @Sendable (Score) -> String?
    }

    private static let lines = together + left

    /// How the task's own lie to each other.
    private static let together: [Shown] = [
        Shown(name: "NUMA nodes", isHeadline: true, by: [\.numaNodes]) {
            $0.numaNodes == 0 ? "pinned to none" : count($0.numaNodes, "NUMA node")
        },
        Shown(name: "GPUs begun", by: [\.gpusBegun, \.gpuShareLeft]) { score in
            guard score.gpusBegun > 0 || score.gpuShareLeft > 0 else { return nil }
            let left = score.gpuShareLeft > 0 ? ", \(score.gpuShareLeft / 10) % of it left" : ""
            return (score.gpusBegun == 0 ? "one that others share" : "one that was free") + left
        },
        Shown(name: "GPU links", isHeadline: true, by: [\.linksLost, \.links]) { score in
            guard score.gpus > 1 else { return nil }
            return link(score.weakestLink) + (score.linksLost > 0 ? ", better sets broken up" : "")
        },
        Shown(name: "CPUs beside GPUs", isHeadline: true, by: [\.remoteCPUs]) { score in
            guard score.gpus > 0, score.cpus > 0 else { return nil }
            return "\(score.cpus - score.remoteCPUs) of \(score.cpus) CPUs beside the GPUs"
        },
        Shown(name: "GPUs left alone", by: [\.besideGPUs, \.cpusBesideGPUs]) { score in
            guard score.besideGPUs > 0 else { return nil }
            return score.cpusBesideGPUs > 0
                ? "\(score.cpusBesideGPUs) CPUs beside free GPUs" : "a node with free GPUs"
        },
        Shown(name: "NUMA distance", by: [\.distance]) {
            $0.distance > 0 ? "\($0.distance)" : nil
        },
        Shown(name: "kind of cores", by: [\.coreKinds, \.efficiencyCPUs]) { score in
            guard score.efficiencyCPUs > 0 else { return nil }
            return score.coreKinds > 1
                ? "\(score.efficiencyCPUs) of \(score.cpus) CPUs are efficiency cores"
                : "efficiency cores"
        },
        Shown(name: "L3 caches", isHeadline: true, by: [\.l3Domains]) {
            $0.l3Domains > 0 ? count($0.l3Domains, "L3 cache") : nil
        },
    ]

    /// What is left for others.
    private static let left: [Shown] = [
        Shown(name: "load", by: [\.load]) {
            $0.load > 0 ? "\($0.load / 10) % of the node's CPUs were taken" : nil
        },
        Shown(name: "nodes begun", by: [\.nodesBegun]) {
            $0.nodesBegun > 0 ? "an idle node" : nil
        },
        Shown(name: "NUMA nodes begun", by: [\.numaNodesBegun]) {
            $0.numaNodesBegun > 0 ? count($0.numaNodesBegun, "idle NUMA node") : nil
        },
        Shown(name: "links cut", by: [\.linksCut]) { score in
            guard score.linksCut > 0 else { return nil }
            return score.linksCut >= GPULinks.direct
                ? "\(score.linksCut / GPULinks.direct) direct links to free GPUs"
                : "nearness \(score.linksCut) to free GPUs"
        },
        Shown(name: "L3 caches begun", by: [\.l3Begun]) {
            $0.l3Begun > 0 ? count($0.l3Begun, "idle L3 cache") : nil
        },
        Shown(name: "CPUs left", by: [\.cpusLeft, \.nodeCPUsLeft]) {
            "\($0.cpusLeft) on its NUMA nodes, \($0.nodeCPUsLeft) on the node"
        },
    ]

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    /// The weights of `NodeInventory.gpuLinks`.
    private static func link(_ weight: Int) -> String {
        switch weight {
        case 100...: "NVLink \(weight / 100)×"
        case 50..<100: "one PCIe switch"
        case 40..<50: "several PCIe switches"
        case 30..<40: "one PCIe host bridge"
        case 20..<30: "one NUMA node's PCIe"
        default: "PCIe across sockets"
        }
    }
}
