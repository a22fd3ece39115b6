import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell why a job or a task waits, and why it runs where it runs.")

    @Argument(help: "last, 42, 42_7 or a name.", completion: Completions.jobs) var task: String =
        "last"
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let connection = try Connection.open()
        let selection = try connection.resolve([task])[0]
        if let ranges = selection.ranges, ranges.count != 1 || ranges[0].count != 1 {
            throw Failure(.usage, "explain takes a job or one task", hint: "write 42 or 42_7")
        }
        let report = try connection.client.explanation(
            selection.job, index: selection.ranges?.first?.lowerBound)
        if json { return JSONOutput.write(report) }
        let lines = ExplanationText(report, width: Terminal.width).lines
        Terminal.write(lines.joined(separator: "\n") + "\n")
    }
}
