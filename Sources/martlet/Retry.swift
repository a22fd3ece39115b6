import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Retry: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run tasks again that failed, were lost or were cancelled.")

    @Argument(help: "last, 42, 42_7, 42_[3-9] or names.", completion: Completions.jobs) var jobs:
        [String]
    @Option(help: "Only tasks in this state: failed, lost or cancelled.") var state: [String] = []
    @Flag(help: "Print as JSON, with the number of tasks of each job.") var json = false
    @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false

    func run() throws {
        let states = try state.map { name in
            guard let state = TaskState(rawValue: name), state.isFinal, state != .succeeded else {
                throw Failure(.usage, "--state knows failed, lost and cancelled, not '\(name)'")
            }
            return state
        }
        let connection = try Connection.open()
        let selections = try connection.resolve(jobs)
        let counts = try connection.client.retry(
            SelectionRequest(selections, states: states.isEmpty ? nil : Set(states)))
        guard !quiet else { return }
        if json { return JSONOutput.write(TaskCountList(selections, counts)) }
        for (selection, count) in zip(selections, counts) {
            Terminal.write(
                count == 0
                    ? "job \(selection.job): nothing to run again\n"
                    : "job \(selection.job): \(count) task\(count == 1 ? "" : "s") queued again\n")
        }
    }
}
