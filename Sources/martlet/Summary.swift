import JobModel
import LinuxSystem
import ServerAPI
import TerminalUI

/// The end of a run: the table, the first failures with what they said, and where everything lies.
enum Summary {
    /// Rows of the table that a terminal is given unasked.
    private static let rows = 40
    private static let failures = 3

    static func write(_ job: JobSummary, _ connection: Connection) throws {
        guard job.state.isFinal else { return }
        let results = try connection.client.bestResults(job.id, limit: rows)
        if results.points.count > 1 || !results.metricNames.isEmpty {
            let lines = ResultsTable.table(results)
            Terminal.write(
                ([Style.strong(lines.first ?? "")] + lines.dropFirst()).joined(separator: "\n")
                    + "\n")
            writeAbsent(results)
            if job.counts.total > rows { Terminal.write("… and \(job.counts.total - rows) more\n") }
        }
        if job.counts.failed + job.counts.lost > 0 { try writeFailures(job, connection) }
        Terminal.write("\nlogs and results: \(job.directory)\n")
        if job.counts.total > rows {
            Terminal.write("all rows: martlet results \(job.id) --csv\n")
        }
    }

    /// A metric that no task has: the rows begin with those that have one.
    private static func writeAbsent(_ results: ResultsReport) {
        let ended = results.points.filter { $0.state == .succeeded || $0.state == .stopped }
        for goal in results.goals
        where !ended.isEmpty && !results.points.contains(where: { $0.metrics[goal.name] != nil }) {
            let index = ended.map(\.index).min() ?? 0
            Terminal.writeError(
                Style.warning(
                    "no task has left \(goal.name); `martlet show \(results.id)_\(index)` says where it was looked for",
                    Terminal.isErrorTerminal && Terminal.hasColour) + "\n")
        }
    }

    private static func writeFailures(_ job: JobSummary, _ connection: Connection) throws {
        let report = try connection.client.report(
            ReportRequest(TaskSelection(job: job.id), states: [.failed, .lost], limit: failures))
        for task in report.tasks {
            let parameters = task.params.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                .joined(separator: " ")
            Terminal.writeError(
                "\n"
                    + Style.bad(
                        "task \(job.id)_\(task.index) failed: \(task.reason ?? task.state.rawValue)",
                        Terminal.isErrorTerminal && Terminal.hasColour))
            Terminal.writeError(parameters.isEmpty ? "\n" : "  (\(parameters))\n")
            for line in tail(task.stderr) { Terminal.writeError("    \(line)\n") }
        }
        let more = job.counts.failed + job.counts.lost - report.tasks.count
        if more > 0 { Terminal.writeError("\n… and \(more) more: martlet show \(job.id)\n") }
    }

    private static func tail(_ path: String?) -> [String] {
        // A task that never started has no log.
        guard let path, let text = try? Files.text(path, limit: 1 << 24) else { return [] }
        return text.split(separator: "\n").suffix(5).map(String.init)
    }
}
