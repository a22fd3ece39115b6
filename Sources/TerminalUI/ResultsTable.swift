public import JobModel

/// Points × metrics, best first by the job's goals.
public enum ResultsTable {
    /// - Parameter isSorted: the rows stand in the order in which they are wanted.
    public static func table(_ report: ResultsReport, limit: Int? = nil, isSorted: Bool = false)
        -> [String]
    {
        let rows = isSorted ? report.points : sorted(report)
        let failed = report.points.contains { $0.state != .succeeded }
        var table = Table(
            [Table.Column("task", .right)] + report.parameterNames.map { Table.Column($0, .right) }
                + report.metricNames.map { Table.Column($0 + arrow(report, $0), .right) }
                + (failed ? [Table.Column("state")] : []) + [Table.Column("time", .right)])
        for row in rows.prefix(limit ?? rows.count) {
            table.add(
                ["\(row.index)"] + report.parameterNames.map { row.params[$0]?.description ?? "" }
                    + report.metricNames.map { row.metrics[$0].map(Words.number) ?? "–" }
                    + (failed ? [row.state.rawValue] : []) + [
                        row.seconds.map(Words.duration) ?? "–"
                    ])
        }
        var lines = table.lines()
        if let limit, rows.count > limit {
            lines.append("… and \(rows.count - limit) more: martlet results \(report.id)")
        }
        return lines
    }

    /// By the first goal, then the next; points without the metric last; without goals in the order of the sweep.
    public static func sorted(_ report: ResultsReport) -> [ResultsReport.Row] {
        guard !report.goals.isEmpty else { return report.points }
        return report.points.sorted { a, b in
            for goal in report.goals {
                switch (a.metrics[goal.name], b.metrics[goal.name]) {
                case (let x?, let y?) where x != y: return goal.direction == .min ? x < y : x > y
                case (.some, nil): return true
                case (nil, .some): return false
                default: continue
                }
            }
            return a.index < b.index
        }
    }

    private static func arrow(_ report: ResultsReport, _ name: String) -> String {
        switch report.goals.first(where: { $0.name == name })?.direction {
        case .min: " ↓"
        case .max: " ↑"
        case nil: ""
        }
    }
}
