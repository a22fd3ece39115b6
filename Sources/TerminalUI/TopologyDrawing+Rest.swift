internal import JobModel
internal import Topology

// What stands below the boxes.
extension TopologyDrawing {
    /// Memory without CPUs, and GPUs whose place is not known.
    var elsewhere: [StyledText] {
        var lines: [StyledText] = []
        for numa in node.numaNodes where numa.cpus.isEmpty {
            let gpu = node.gpus.firstIndex { $0.pciAddress == numa.gpu }
            let what = gpu.map { "the memory of GPU \($0)" } ?? "memory without CPUs"
            lines.append(
                StyledText("NUMA node \(numa.id)", .good)
                    + StyledText(" · \(Words.size(numa.memory)) · \(what), not for tasks"))
        }
        for position in node.gpus.indices where !isDrawn(node.gpus[position]) {
            lines += GPULines(node.gpus[position], position).lines
        }
        return lines
    }

    private func isDrawn(_ gpu: GPU) -> Bool {
        node.numaNodes.contains { $0.id == gpu.numaNode && !$0.cpus.isEmpty }
    }

    var legend: [StyledText] {
        let kinds = Set(node.cores.map { glyph($0).text })
        let words = [
            ("█", kinds.contains("▄") ? "performance core" : "core"), ("▄", "efficiency core"),
            ("░", "not for use: isolated, or outside of the affinity and cpuset of this process"),
        ]
        var lines = words.filter { kinds.contains($0.0) }.map {
            StyledText("\($0.0) \($0.1)", .faint)
        }
        if !node.cpus.offline.isEmpty {
            lines.append(StyledText("offline CPUs: " + CPUList.text(node.cpus.offline), .warning))
        }
        if !node.cpus.isolated.isEmpty {
            lines.append(StyledText("isolated CPUs: " + CPUList.text(node.cpus.isolated), .warning))
        }
        return lines + node.notes.map { StyledText("note: " + $0, .warning) }
    }
}

/// A GPU and its slices.
struct GPULines {
    private let gpu: GPU
    private let position: Int

    init(_ gpu: GPU, _ position: Int) {
        self.gpu = gpu
        self.position = position
    }

    var lines: [StyledText] {
        var parts = [gpu.model.isEmpty ? gpu.vendor.rawValue : gpu.model]
        parts += [gpu.memory.map(Words.size), gpu.partition.map { "partition \($0)" }]
            .compactMap(\.self)
        parts.append(gpu.pciAddress)
        parts += gpu.deviceNodes.map(\.path)
        if gpu.isIntegrated { parts.append("within the processor") }
        if gpu.isExcluded { parts.append("excluded by its driver") }
        let own =
            StyledText("  ") + StyledText("GPU \(position)", .strong)
            + StyledText(" " + parts.joined(separator: " · "))
        return [own] + slices
    }

    private var slices: [StyledText] {
        if gpu.isPartitioned, gpu.mig.isEmpty {
            return [StyledText("    MIG is on, and there is no slice yet", .warning)]
        }
        return gpu.mig.map { slice in
            let parts = [slice.profile, slice.memory.map(Words.size), slice.uuid]
            return StyledText("    MIG " + parts.compactMap(\.self).joined(separator: " · "))
        }
    }
}

/// How near GPUs are to each other, in the words of `nvidia-smi topo -m`.
struct GPULinksTable {
    private let drawing: TopologyDrawing

    init(_ drawing: TopologyDrawing) { self.drawing = drawing }

    private static let paths = [
        (10, "SYS", "another socket"), (20, "NODE", "one NUMA node"),
        (30, "PHB", "one host bridge"),
        (40, "PXB", "several PCIe switches"), (50, "PIX", "one PCIe switch"),
    ]

    var lines: [StyledText] {
        let links = drawing.node.gpuLinks
        guard links.count > 1 else { return [] }
        let head = [""] + links.indices.map { "GPU\($0)" }
        let rows = links.indices.map { one in
            ["GPU\(one)"] + links.indices.map { $0 == one ? "X" : word(links[one][$0]) }
        }
        let widths = head.indices.map { column in
            ([head] + rows).map { $0[column].count }.max() ?? 0
        }
        let table = ([head] + rows).map { cells in
            zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }
                .joined().withoutTrailingBlanks
        }
        let used = Set(links.joined())
        var words = Self.paths.filter { used.contains($0.0) }.map { "\($0.1) \($0.2)" }
        if let most = links.joined().max(), most >= 100 {
            words.insert("\(direct)n n direct links", at: 0)
        }
        return table.enumerated().map { StyledText($1, $0 == 0 ? .strong : nil) }
            + folded(words).map { StyledText($0, .faint) }
    }

    /// As many in a line as fit the narrowest of usual terminals.
    private func folded(_ words: [String]) -> [String] {
        words.reduce(into: [String]()) { lines, word in
            if let last = lines.last, last.count + 3 + word.count <= 80 {
                lines[lines.count - 1] = last + "   " + word
            } else {
                lines.append(word)
            }
        }
    }

    /// xGMI where there are AMD's GPUs alone.
    private var direct: String {
        drawing.node.gpus.allSatisfy { $0.vendor == .amd } ? "XGMI" : "NV"
    }

    private func word(_ weight: Int) -> String {
        if weight >= 100 { return "\(direct)\(weight / 100)" }
        return Self.paths.first { $0.0 == weight }?.1 ?? "-"
    }
}
