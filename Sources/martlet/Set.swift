import ArgumentParser
import JobModel
import ServerAPI
import SpecFile
import TerminalUI

struct SetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Change limits and priority of jobs while they go on.",
        discussion: """
            martlet set 42 parallel=8 priority=5 time=2h failures=10% total=12h
            martlet set last time="3x median" parallel=none

            A new time limit holds for tasks that run, too, from their start on.
            """)

    @Argument(help: "Jobs, and what is to be different: NAME=VALUE, or NAME=none.")
    var words: [String]
    @Flag(help: "Print the jobs as JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false

    func run() throws {
        let settings = try SettingText.parse(words.filter { $0.contains("=") })
        let jobs = words.filter { !$0.contains("=") }
        guard !jobs.isEmpty, !settings.isEmpty else {
            throw Failure(
                .usage, jobs.isEmpty ? "no job is named" : "nothing is to be different",
                hint: "martlet set 42 parallel=8 priority=5")
        }
        let connection = try Connection.open()
        let ids = try connection.wholeJobs(jobs, "set")
        let summaries = try connection.client.set(SettingsRequest(ids, settings))
        if quiet { return }
        if json { return JSONOutput.write(JobList(jobs: summaries)) }
        let what = words.filter { $0.contains("=") }.joined(separator: ", ")
        for job in summaries { Terminal.write("job \(job.id): \(what)\n") }
    }
}

extension Connection {
    /// Jobs that selectors name; a usage error where one means some of its tasks.
    func wholeJobs(_ texts: [String], _ verb: String) throws -> [JobID] {
        let selections = try resolve(texts)
        if let part = selections.first(where: { $0.ranges != nil }) {
            throw Failure(
                .usage, "\(verb) is about whole jobs, not about some tasks",
                hint: "martlet \(verb) \(part.job)")
        }
        return selections.map(\.job)
    }
}
