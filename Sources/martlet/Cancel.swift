import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End jobs or some of their tasks.")

    @Argument(help: "last, 42, 42_7, 42_[3-9] or names.") var jobs: [String]
    @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false

    func run() throws {
        let connection = try Connection.open()
        let selections = try connection.resolve(jobs)
        let counts = try connection.client.cancel(SelectionRequest(selections))
        guard !quiet else { return }
        for (selection, count) in zip(selections, counts) {
            Terminal.write(
                count == 0
                    ? "job \(selection.job): nothing left to cancel\n"
                    : "job \(selection.job): cancelled \(count) task\(count == 1 ? "" : "s")\n")
        }
    }
}
