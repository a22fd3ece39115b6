import ArgumentParser
import JobModel
import ServerAPI
import SpecFile
import TerminalUI

struct Results: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the table of points and metrics, best first.")

    @Argument(help: "last, 42, 42_7, 42_[3-9] or a name.", completion: Completions.jobs) var job:
        String = "last"
    @Flag(help: "Print as JSON.") var json = false
    @Flag(help: "Print as CSV, in the order of the points.") var csv = false

    func run() throws {
        let connection = try Connection.open()
        let selection = try connection.resolve([job])[0]
        var report = try connection.client.results(selection.job)
        if let ranges = selection.ranges {
            report.points.removeAll { point in !ranges.contains { $0.contains(point.index) } }
        }
        if json { return JSONOutput.write(report) }
        if csv { return writeCSV(report) }
        Terminal.write(ResultsTable.table(report).joined(separator: "\n") + "\n")
    }

    private func writeCSV(_ report: ResultsReport) {
        func line(_ fields: [String]) {
            Terminal.write(fields.map(Rendering.field).joined(separator: ",") + "\n")
        }
        line(["index", "state"] + report.parameterNames + report.metricNames + ["seconds"])
        for row in report.points {
            line(
                ["\(row.index)", row.state.rawValue]
                    + report.parameterNames.map { row.params[$0]?.description ?? "" }
                    + report.metricNames.map { row.metrics[$0].map { "\($0)" } ?? "" } + [
                        row.seconds.map { "\($0)" } ?? ""
                    ])
        }
    }
}
