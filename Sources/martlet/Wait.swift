import ArgumentParser
import JobModel
import JobServer
import LinuxSystem
import ServerAPI
import SpecFile
import TerminalUI

struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until jobs have ended; the exit status tells how.",
        discussion: "With --any it is the status of what has ended when the first one has.")

    @Argument(help: "last, 42 or names.", completion: Completions.wholeJobs) var jobs: [String]
    @Flag(help: "Until one of them has ended, or all of them.") var until = Until.all
    @Option(help: "Give up after this long, in seconds or as 2h; exit status 124.") var timeout:
        String?
    @Flag(help: "Print the jobs that have ended as JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print the numbers of those that have ended.") var quiet =
        false

    enum Until: String, EnumerableFlag { case any, all }

    func run() throws {
        Terminal.goOnWithoutReader()
        let deadline = try timeout.map { text in
            guard let milliseconds = Rendering.duration(text) else {
                throw Failure(.usage, "--timeout \(text): write 90s or 2h")
            }
            return Clock.monotonic() + milliseconds
        }
        let ids = try identifiers()
        let count = until == .any ? 1 : ids.count
        let ended = try follow(ids, count, deadline)
        if json { JSONOutput.write(JobList(jobs: ended)) }
        if quiet { Terminal.write(ended.map { "\($0.id)\n" }.joined()) }
        guard ended.count >= count else { throw ExitCode(Status.deadline) }
        let statuses = try ended.map(Outcome.status)
        throw ExitCode(statuses.contains(.taskFailed) ? Status.taskFailed : .success)
    }

    /// Of each job once, however often it was named.
    private func identifiers() throws -> [JobID] {
        let selections = try Connection.open().resolve(jobs)
        if let part = selections.first(where: { $0.ranges != nil }) {
            throw Failure(
                .usage, "wait waits for whole jobs, not for some tasks",
                hint: "martlet wait \(part.job)")
        }
        return selections.map(\.job).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Those that have ended, once there are `count` of them or the time is over. Whichever server there is tells.
    private func follow(_ ids: [JobID], _ count: Int, _ deadline: Int64?) throws -> [JobSummary] {
        let client = try Connection.open().client
        while true {
            let left = max(0, deadline.map { $0 - Clock.monotonic() } ?? 10_000)
            let ended = try client.ends(of: ids, count: count, milliseconds: min(left, 10_000))
            if ended.count >= count || left == 0 { return ended }
        }
    }
}
