import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Hold: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start nothing more of jobs; what runs of them runs on.")
    @OptionGroup var options: SteeringOptions
    func run() throws { try options.steer("hold", .hold, "held") }
}

struct Release: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let jobs go on that were held or paused.")
    @OptionGroup var options: SteeringOptions
    func run() throws { try options.steer("release", .release, "goes on") }
}

struct Pause: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start nothing more of jobs, and stop what runs of them where it is.",
        discussion: "Paused tasks keep their place and their memory; their time stands still.")
    @OptionGroup var options: SteeringOptions
    func run() throws { try options.steer("pause", .pause, "paused") }
}

struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let jobs go on that were paused or held.")
    @OptionGroup var options: SteeringOptions
    func run() throws { try options.steer("resume", .release, "goes on") }
}

/// What the four have in common.
struct SteeringOptions: ParsableArguments {
    @Argument(help: "last, 42 or names.") var jobs: [String]
    @Flag(help: "Print the jobs as JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false

    func steer(_ verb: String, _ steering: JobSteering, _ outcome: String) throws {
        let connection = try Connection.open()
        let ids = try connection.wholeJobs(jobs, verb)
        let summaries = try connection.client.steer(SteeringRequest(ids, steering))
        if quiet { return }
        if json { return JSONOutput.write(JobList(jobs: summaries)) }
        for job in summaries { Terminal.write("job \(job.id): \(outcome)\n") }
    }
}
