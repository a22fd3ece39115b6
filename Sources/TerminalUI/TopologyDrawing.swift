internal import JobModel
public import Topology

/// A machine as people see it: a box for each package, in it NUMA nodes, L3 domains, cores and GPUs; then how near the GPUs are to
/// each other, and what is not for use.
public struct TopologyDrawing: Sendable {
    let node: NodeTopology
    private let width: Int
    let isColoured: Bool

    /// `width` is at least 40 columns.
    public init(_ node: NodeTopology, width: Int, isColoured: Bool) {
        self.node = node
        self.width = max(40, width)
        self.isColoured = isColoured
    }

    public var lines: [String] {
        let boxes = node.packages.map { (title(of: $0), content(of: $0)) }
        let widest = boxes.map { ([$0.0] + $0.1).map(\.count).max() ?? 0 }.max() ?? 0
        let inner = min(width - 4, widest)
        var lines = [heading]
        for (title, content) in boxes { lines += box(title, content, inner) }
        lines += elsewhere + GPULinksTable(self).lines + legend
        return lines.map { $0.cut(to: width).styled(isColoured) }
    }

    private var heading: StyledText {
        let parts = [
            Self.count(node.packages.count, "package"), Self.count(node.cores.count, "core"),
            Self.count(node.cpus.online.count, "CPU"),
            Words.size(node.numaNodes.filter { $0.gpu == nil }.reduce(0) { $0 + $1.memory }),
            node.gpus.isEmpty ? nil : Self.count(node.gpus.count, "GPU"), node.architecture,
            node.kernelRelease.map { "Linux " + $0 },
        ]
        return StyledText(parts.compactMap(\.self).joined(separator: " · "), .strong)
    }

    private func box(_ title: StyledText, _ content: [StyledText], _ inner: Int) -> [StyledText] {
        let top =
            StyledText("┌ ", .faint) + title.cut(to: inner)
            + StyledText(" " + rule(inner - title.cut(to: inner).count) + "┐", .faint)
        let rows = content.map { row in
            let row = row.cut(to: inner)
            let padding = String(repeating: " ", count: inner - row.count)
            return StyledText("│ ", .faint) + row + StyledText(padding + " │", .faint)
        }
        return [top] + rows + [StyledText("└" + rule(inner + 2) + "┘", .faint)]
    }

    private func rule(_ length: Int) -> String { String(repeating: "─", count: max(0, length)) }

    static func count(_ number: Int, _ what: String) -> String {
        "\(number) \(what)\(number == 1 ? "" : "s")"
    }

    // MARK: A package

    private func title(of package: NodeTopology.Package) -> StyledText {
        let cores = node.cores.filter { $0.package == package.id }
        let counts =
            " · " + Self.count(cores.count, "core") + " · "
            + Self.count(package.cpus.count, "CPU")
        return StyledText("Package \(package.id)", .strong) + StyledText(counts)
    }

    private func content(of package: NodeTopology.Package) -> [StyledText] {
        let own = Set(package.cpus)
        let cores = node.cores.filter { $0.package == package.id }
        var lines: [StyledText] = []
        for numa in node.numaNodes where !own.isDisjoint(with: numa.cpus) {
            lines.append(line(of: numa, in: package))
            lines += domains(cores.filter { $0.numaNode == numa.id })
            // Where a node is in several packages, they are drawn in the first.
            if numa.cpus.first.map(own.contains) ?? false {
                for position in node.gpus.indices where node.gpus[position].numaNode == numa.id {
                    lines += GPULines(node.gpus[position], position).lines
                }
            }
        }
        let homeless = cores.filter { $0.numaNode == nil }
        if !homeless.isEmpty {
            lines.append(StyledText("no NUMA node", .warning))
            lines += domains(homeless)
        }
        return lines
    }

    private func line(of numa: NodeTopology.NUMANode, in package: NodeTopology.Package)
        -> StyledText
    {
        let others = node.packages.filter {
            $0.id != package.id && !Set($0.cpus).isDisjoint(with: numa.cpus)
        }
        var parts = [Words.size(numa.memory)]
        if !others.isEmpty {
            let noun = others.count == 1 ? "package" : "packages"
            parts.append("also of \(noun) \(CPUList.text(others.map(\.id)))")
        }
        if numa.distances.count > 1 {
            parts.append("distances " + numa.distances.map(String.init).joined(separator: " "))
        }
        let name = StyledText("NUMA node \(numa.id)", .good)
        let rest = StyledText(" · " + parts.joined(separator: " · "))
        return numa.isAllowed ? name + rest : name + rest + StyledText(" · not for use", .warning)
    }

    // MARK: L3 domains

    /// As many beside each other as there is room for; one that takes several lines stands alone.
    private func domains(_ cores: [NodeTopology.Core]) -> [StyledText] {
        let groups = Dictionary(grouping: cores) { $0.l3 ?? -1 }.sorted { $0.key < $1.key }
        let domains = groups.map { domain($0.key, $0.value) }
        let cells = domains.joined()
        let column = (cells.map(\.count).max() ?? 0) + 3
        let isAlone = domains.contains { $0.count > 1 }
        let columns = isAlone ? 1 : max(1, (width - 3) / column)
        return stride(from: 0, to: cells.count, by: columns).map { first in
            let row = cells.dropFirst(first).prefix(columns)
            return row.dropLast().reversed().reduce(row.last ?? StyledText("")) { rest, cell in
                cell + StyledText(String(repeating: " ", count: column - cell.count)) + rest
            }
        }.map { StyledText("  ") + $0 }
    }

    private func domain(_ l3: Int, _ cores: [NodeTopology.Core]) -> [StyledText] {
        let size = l3 < 0 ? nil : node.l3Domains[l3].size
        let name = l3 < 0 ? "no L3 " : "L3 " + (size.map(Words.size) ?? "") + " "
        let list = " " + CPUList.text(cores.flatMap(\.cpus))
        // Beside its name and CPUs; a list that is too long for both is cut.
        let run = max(16, width - 6 - name.count - list.count)
        return stride(from: 0, to: cores.count, by: run).map { first in
            let glyphs = cores.dropFirst(first).prefix(run).map(glyph)
                .reduce(StyledText("")) { $0 + $1 }
            let isFirst = first == 0
            return StyledText(isFirst ? name : String(repeating: " ", count: name.count))
                + glyphs + StyledText(isFirst ? list : "")
        }
    }

    func glyph(_ core: NodeTopology.Core) -> StyledText {
        let usable = Set(node.cpus.usable)
        guard !usable.isDisjoint(with: core.cpus) else { return StyledText("░", .faint) }
        return core.kind == .efficiency ? StyledText("▄", .warning) : StyledText("█", .good)
    }
}
