import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Show jobs side by side: how they ended, their best, and in what their specs differ.")

    @Argument(help: "last, 42 or a name.", completion: Completions.jobs) var jobs: [String]
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let connection = try Connection.open()
        var wanted: [JobID] = []
        for (text, selection) in zip(jobs, try connection.resolve(jobs)) {
            guard selection.ranges == nil else {
                throw Failure(
                    .usage,
                    "compare '\(text)': whole jobs are compared, and these are tasks of one",
                    hint: "martlet compare \(selection.job)")
            }
            if !wanted.contains(selection.job) { wanted.append(selection.job) }
        }
        let client = connection.client
        let report = ComparisonReport(
            try wanted.map {
                .init(try client.summary($0), try client.spec($0), try client.results($0))
            })
        if json { return JSONOutput.write(report) }
        Terminal.write(
            ComparisonTable.lines(
                report, width: Terminal.isOutputTerminal ? Terminal.width : nil
            ).joined(separator: "\n") + "\n")
    }
}
