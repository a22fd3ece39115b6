import JobModel
import Scheduling

/// Nodes downwards, time to the right; drawn as text or SVG.
public struct Chart: Sendable {
    /// What is held of some nodes in a part of the time.
    struct Cell: Sendable {
        /// The job that has most; nil where nothing runs.
        var slot: Int?
        /// In 0 ... 1.
        var share: Double
        /// The nodes were away for most of it.
        var isDown: Bool
    }

    /// A row of one node, or of several that follow each other.
    struct Row: Sendable {
        let label: String
        let nodes: Range<Int>
    }

    public let timeline: Timeline
    let nodeNames: [String]
    /// By slot; the last one is that of all further jobs where there are more than slots.
    public let slotNames: [String]
    /// Milliseconds.
    let length: Double

    init(_ run: ScenarioRun) {
        timeline = run.timeline
        nodeNames = run.nodes.map(\.name)
        length = Double(max(1, run.meter.lastEnd.milliseconds))
        let jobs = run.state.allJobs
        slotNames = (0..<timeline.slots - 1).map { slot in
            let mine = jobs.filter { run.timeline.slot(of: $0.id) == slot }
            guard let first = mine.first else { return "" }
            return mine.count == 1
                ? "\(first.id) \(first.name)" : "\(first.id) and \(mine.count - 1) later jobs"
        }
    }

    /// At most `limit` rows, each of the same number of nodes but the last.
    func rows(limit: Int) -> [Row] {
        let each = max(1, (nodeNames.count + limit - 1) / max(1, limit))
        return stride(from: 0, to: nodeNames.count, by: each).map { first in
            let last = min(first + each, nodeNames.count) - 1
            return Row(
                label: first == last
                    ? nodeNames[first] : "\(nodeNames[first])…\(last + 1 - first)",
                nodes: first..<last + 1)
        }
    }

    func shares(_ row: Row, column: Int, of columns: Int) -> [Double] {
        let width = length / Double(columns)
        return timeline.shares(
            of: row.nodes, from: Double(column) * width, to: Double(column + 1) * width)
    }

    func cell(_ row: Row, column: Int, of columns: Int) -> Cell {
        let shares = shares(row, column: column, of: columns)
        let jobs = shares.dropLast()
        let most = jobs.indices.max { (jobs[$0], $1) < (jobs[$1], $0) }
        let total = jobs.reduce(0, +)
        return Cell(
            slot: total > 0.005 ? most : nil, share: min(1, total),
            isDown: shares[timeline.downSlot] > 0.5)
    }
}
