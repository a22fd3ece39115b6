import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Retry: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run tasks again that failed, were lost or were cancelled.")

    @Argument(help: "last, 42, 42_7, 42_[3-9] or names.", completion: Completions.jobs) var jobs:
        [String]
    @Option(help: "Only tasks in this state: failed, lost, cancelled or stopped.") var state:
        [String] = []
    @Flag(help: "Only those that failed.") var failed = false
    @Flag(help: "Only those that were lost with their node.") var lost = false
    @Flag(help: "Only those that were cancelled.") var cancelled = false
    @Flag(help: "Only those that passed their time limit.") var timeout = false
    @Option(help: "Only tasks of these indexes: 3,7-9.") var index: String?
    @Option(help: "Only points that fulfil this: \"lr < 0.01\".") var `where`: String?
    @Flag(help: "Print as JSON, with the number of tasks of each job.") var json = false
    @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false

    func run() throws {
        let states = try wantedStates()
        let connection = try Connection.open()
        let selections = try selections(connection)
        var counts = [Int](repeating: 0, count: selections.count)
        func retry(_ states: Set<TaskState>?, timedOut: Bool) throws {
            let more = try connection.client.retry(
                SelectionRequest(
                    selections, states: states, condition: `where`, timedOut: timedOut))
            counts = zip(counts, more).map { $0 + $1 }
        }
        // Those that passed their limit have failed, too.
        if timeout, !states.contains(.failed) { try retry([.failed], timedOut: true) }
        if !states.isEmpty || !timeout {
            try retry(states.isEmpty ? nil : states, timedOut: false)
        }
        guard !quiet else { return }
        if json { return JSONOutput.write(TaskCountList(selections, counts)) }
        for (selection, count) in zip(selections, counts) {
            Terminal.write(
                count == 0
                    ? "job \(selection.job): nothing to run again\n"
                    : "job \(selection.job): \(count) task\(count == 1 ? "" : "s") queued again\n")
        }
    }

    private func wantedStates() throws -> Set<TaskState> {
        var states = Set(
            try state.map { name in
                guard let state = TaskState(rawValue: name), state.isFinal, state != .succeeded
                else {
                    throw Failure(
                        .usage, "--state knows failed, lost, cancelled and stopped, not '\(name)'")
                }
                return state
            })
        if failed { states.insert(.failed) }
        if lost { states.insert(.lost) }
        if cancelled { states.insert(.cancelled) }
        return states
    }

    private func selections(_ connection: Connection) throws -> [TaskSelection] {
        guard let index else { return try connection.resolve(jobs) }
        // As in 42_[3,7-9].
        return try jobs.map { job in
            guard let whole = try connection.resolve([job]).first, whole.ranges == nil else {
                throw Failure(
                    .usage, "\(job) names tasks, and so does --index \(index)",
                    hint: "use one of the two")
            }
            return try connection.resolve(["\(whole.job)_[\(index)]"])[0]
        }
    }
}
