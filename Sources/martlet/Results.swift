import ArgumentParser
import Foundation
import JobModel
import ServerAPI
import SpecFile
import TerminalUI

struct Results: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the table of points and metrics, best first.")

    @Argument(help: "last, 42, 42_7, 42_[3-9], a name, or NAME_7.", completion: Completions.jobs)
    var job: String = "last"
    @Flag(help: "Print as JSON.") var json = false
    @Flag(help: "Print as CSV, in the order of the points.") var csv = false
    @Flag(help: "Print a JSON object a point, one a line.") var jsonl = false
    @Option(help: "Only points that fulfil it: \"lr < 0.01 and val_loss < 0.4\".") var `where`:
        String?
    @Option(
        parsing: .unconditional,
        help: "A metric, its best first, or anything else, rising; -NAME the other way round.")
    var sort: String?

    func run() throws {
        let connection = try Connection.open()
        let selection = try connection.resolve([job])[0]
        var report = try connection.client.results(selection.job)
        if let ranges = selection.ranges {
            report.points.removeAll { point in !ranges.contains { $0.contains(point.index) } }
        }
        try select(&report)
        if json { return JSONOutput.write(report) }
        if csv { return writeCSV(report) }
        if jsonl { return try writeLines(report) }
        Terminal.write(
            ResultsTable.table(report, isSorted: sort != nil).joined(separator: "\n") + "\n")
    }

    private func select(_ report: inout ResultsReport) throws {
        if let `where` {
            do throws(SweepExpression.Malformed) { try report.keep(where: `where`) } catch {
                throw Failure(.usage, "--where, character \(error.offset + 1): \(error.message)")
            }
        }
        guard let sort else { return }
        let isReversed = sort.hasPrefix("-")
        guard report.sort(by: isReversed ? String(sort.dropFirst()) : sort, isReversed: isReversed)
        else {
            throw Failure(
                .usage, "--sort \(sort): no result is called so",
                hint: "there are \(report.everyName.joined(separator: ", "))")
        }
    }

    private func writeLines(_ report: ResultsReport) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for row in report.points {
            Terminal.write(String(decoding: try encoder.encode(row), as: UTF8.self) + "\n")
        }
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
