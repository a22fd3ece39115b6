public import JobModel

/// Jobs side by side: what came of each, and in what they differ.
public enum ComparisonTable {
    /// Columns of a job, at least, where the terminal bears several.
    private static let narrowest = 18

    /// - Parameter width: of the terminal; jobs that do not fit side by side come below. Nil cuts nothing.
    public static func lines(_ report: ComparisonReport, width: Int?) -> [String] {
        let rows = rows(of: report)
        // In a narrow terminal titles are cut, too.
        let key = min(rows.map(\.title.count).max() ?? 0, width.map { $0 / 2 } ?? .max)
        let all = Array(report.jobs.indices)
        guard let width else { return table(rows, report, all, key, cell: nil) }
        let side = max(1, min(all.count, (width - key) / (narrowest + 2)))
        let cell = max(1, (width - key) / side - 2)
        return stride(from: 0, to: all.count, by: side).map { start in
            table(rows, report, Array(all[start..<min(start + side, all.count)]), key, cell: cell)
        }.reduce(into: []) { $0 += ($0.isEmpty ? [] : [""]) + $1 }
    }

    private struct Row {
        var title: String
        var cells: [String]
    }

    private static func table(
        _ rows: [Row], _ report: ComparisonReport, _ jobs: [Int], _ key: Int, cell: Int?
    ) -> [String] {
        func cut(_ text: String, _ width: Int? = cell) -> String {
            let line = Table.visible(text)
            guard let width, line.count > width else { return line }
            return line.prefix(max(0, width - 1)) + "…"
        }
        var table = Table(
            [.init("")] + jobs.map { .init(cut("\(report.jobs[$0].id) \(report.jobs[$0].name)")) })
        for row in rows { table.add([cut(row.title, key)] + jobs.map { cut(row.cells[$0]) }) }
        return table.lines()
    }

    private static func rows(of report: ComparisonReport) -> [Row] {
        var rows = [
            Row(title: "state", cells: report.jobs.map(\.state.rawValue)),
            Row(title: "tasks", cells: report.jobs.map { counts($0.counts) }),
            Row(
                title: "a task",
                cells: report.jobs.map {
                    $0.medianSeconds.map { Words.duration($0) + " in the middle" } ?? "–"
                }),
            Row(
                title: "all tasks",
                cells: report.jobs.map { $0.taskSeconds.map(Words.duration) ?? "–" }),
        ]
        for (place, best) in (report.jobs.first?.best ?? []).enumerated() {
            let bests = report.jobs.map { $0.best[place] }
            let goal = bests.lazy.compactMap(\.goal).first
            rows.append(
                Row(
                    title: "best \(best.metric) " + (goal == .max ? "↑" : "↓"),
                    cells: bests.map { best in
                        best.value.map { Words.number($0) + (best.isBest ? " *" : "") } ?? "–"
                    }))
            guard bests.contains(where: { $0.task != nil }) else { continue }
            rows.append(Row(title: "  its task", cells: bests.map(point)))
        }
        for difference in report.differences {
            let isShown = difference.values.contains { $0 != nil }
            rows.append(
                Row(
                    title: difference.key,
                    cells: difference.values.map { $0 ?? (isShown ? "–" : "differs") }))
        }
        return rows
    }

    /// `24 succeeded, 1 failed`.
    private static func counts(_ counts: TaskCounts) -> String {
        TaskState.allCases.filter { counts[$0] > 0 }.map { "\(counts[$0]) \($0.rawValue)" }
            .joined(separator: ", ")
    }

    private static func point(_ best: ComparisonReport.Best) -> String {
        guard let task = best.task else { return "" }
        let point = (best.params ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return (["\(task)"] + point).joined(separator: " ")
    }
}
