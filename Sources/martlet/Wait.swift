import ArgumentParser
import JobModel
import JobServer
import LinuxSystem
import ServerAPI
import SpecFile
import TerminalUI

struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until jobs have ended; the exit status tells how.")

    @Argument(help: "last, 42 or names.") var jobs: [String]
    @Option(help: "Give up after this long, in seconds or as 2h; exit status 124.") var timeout:
        String?
    @Flag(help: "Print the jobs as JSON.") var json = false

    func run() throws {
        Terminal.goOnWithoutReader()
        var connection = try Connection.open()
        let deadline = try timeout.map { text in
            guard let milliseconds = Rendering.duration(text) else {
                throw Failure(.usage, "--timeout \(text): write 90s or 2h")
            }
            return Clock.monotonic() + milliseconds
        }
        var ended: [JobSummary] = []
        let selections = try connection.resolve(jobs)
        if let part = selections.first(where: { $0.ranges != nil }) {
            throw Failure(
                .usage, "wait waits for whole jobs, not for some tasks",
                hint: "martlet wait \(part.job)")
        }
        for selection in selections {
            var version: Int64 = 0
            while true {
                let left = deadline.map { $0 - Clock.monotonic() } ?? 10_000
                if left <= 0 { throw ExitCode(Status.deadline) }
                do {
                    let change = try connection.client.change(
                        selection.job, after: version, milliseconds: min(left, 10_000))
                    version = change.version
                    if Outcome.isKnown(of: change.job) {
                        ended.append(change.job)
                        break
                    }
                } catch {
                    guard !connection.client.isAnswering else { throw error }
                    connection = try Connection.open()
                }
            }
        }
        if json { JSONOutput.write(JobList(jobs: ended)) }
        let statuses = try ended.map(Outcome.status)
        throw ExitCode(statuses.contains(.taskFailed) ? Status.taskFailed : .success)
    }
}
