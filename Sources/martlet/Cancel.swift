import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End jobs or some of their tasks.")

    @Argument(help: "last, 42, 42_7, 42_[3-9] or names.", completion: Completions.jobs) var jobs:
        [String]
    @Flag(help: "Print as JSON, with the number of tasks of each job.") var json = false
    @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false

    func run() throws {
        let connection = try Connection.open()
        let selections = try connection.resolve(jobs)
        let counts = try connection.client.cancel(SelectionRequest(selections))
        guard !quiet else { return }
        if json { return JSONOutput.write(TaskCountList(selections, counts)) }
        for (selection, count) in zip(selections, counts) {
            Terminal.write(
                count == 0
                    ? "job \(selection.job): nothing left to cancel\n"
                    : "job \(selection.job): cancelled \(count) task\(count == 1 ? "" : "s")\n")
        }
    }
}

/// How many tasks a verb met, by job, as JSON.
struct TaskCountList: Encodable {
    struct Job: Encodable {
        let id: JobID
        let tasks: Int
    }
    let schema = JobModel.schemaVersion
    let jobs: [Job]

    init(_ selections: [TaskSelection], _ counts: [Int]) {
        jobs = zip(selections, counts).map { Job(id: $0.job, tasks: $1) }
    }
}
