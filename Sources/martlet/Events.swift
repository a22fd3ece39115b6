import ArgumentParser
import Glibc
import JobModel
import LinuxSystem
import ServerAPI
import TerminalUI

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what has happened, one JSON object a line.",
        discussion: """
            Each line has a `sequence`; `--since` with the last one that you have seen goes on behind it. With jobs, \
            `-f` ends when all of them have ended.
            """)

    @Argument(
        help: "last, 42 or names; none means all jobs and nodes.", completion: Completions.wholeJobs
    ) var jobs: [String] = []
    @Flag(name: .shortAndLong, help: "Go on with what happens from now on.") var follow = false
    @Option(
        help: "Begin behind this number; 0 for all that is kept. Without it, -f alone begins now.")
    var since: Int64?

    func run() throws {
        var connection = try Connection.open()
        let selections = try connection.resolve(jobs)
        if let part = selections.first(where: { $0.ranges != nil }) {
            throw Failure(
                .usage, "events are those of whole jobs",
                hint: "martlet events \(part.job), and pick the lines of its tasks")
        }
        var last = since
        // With streams in a row that broke off without an event.
        var patience = Patience()
        while true {
            do {
                let stream = try connection.client.events(
                    since: last, jobs: selections.map(\.job), follow: follow)
                while let event = try stream.next() {
                    (last, patience) = (event.sequence, Patience())
                    Terminal.write(event.json + "\n")
                }
                if stream.isComplete == true { return }
            } catch {
                // Killed: what it had told is on disk, and the next one goes on behind it. One that is still dying may answer.
                guard !(error is ErrorReport), patience.bearsOneMore() else { throw error }
                connection = try Connection.open()
                continue
            }
            throw Failure(
                .infrastructure, "the server was stopped",
                hint: last.map { "martlet events -f --since \($0) goes on from here" })
        }
    }
}
