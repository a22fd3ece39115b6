import ArgumentParser
import JobModel
import LinuxSystem
import ServerAPI
import TerminalUI

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Submit a job, watch it, and print its table.",
        discussion:
            "Ctrl-C asks whether to detach or to cancel; the job runs on while you are asked.")

    @OptionGroup var options: SpecOptions
    @OptionGroup var submission: SubmissionOptions
    @Flag(name: .shortAndLong, help: "Return as soon as the job is submitted.") var detach = false
    @Flag(
        name: [.customShort("i"), .customLong("interactive")],
        help: "Pass standard input on to the one task, show what it says, and exit as it does.")
    var withInput = false
    @Flag(
        help:
            "Go on with the newest job of this name: keep what succeeded, run the rest and what the sweep has beyond."
    )
    var resume = false
    @Flag(help: "With --resume: accept that other keys than the sweep have changed.")
    var yes = false
    @Flag(name: [.customShort("t"), .customLong("tty")], help: "Give the one task a terminal.")
    var withTerminal = false

    func run() throws {
        if withInput || withTerminal { return try sit() }
        guard let reply = try resume ? goOn() : submission.submit(options) else { return }
        if detach || submission.quiet { submission.tell(reply) }
        if detach { return }
        // A reader that leaves changes nothing of how the job ends.
        Terminal.goOnWithoutReader()
        let connection = try Connection.open()
        let follower = Follower(connection, reply.id, isQuiet: submission.quiet || submission.json)
        let job = try follower.follow()
        if submission.json {
            JSONOutput.write(try connection.client.results(reply.id))
        } else if !submission.quiet {
            try Summary.write(job, connection)
        }
        throw ExitCode(try Outcome.status(of: job))
    }
}

extension Run {
    /// At the task itself, as at a program that was started here.
    private func sit() throws {
        if detach { throw Failure(.usage, "--detach leaves, and -i and -t stay") }
        let interaction = try Sitter.interaction(input: withInput, terminal: withTerminal)
        guard let reply = try submission.submit(options, interaction) else { return }
        let connection = try Connection.open()
        let stream = try connection.client.openSession(
            SessionRequest(
                task: TaskID(job: reply.id, index: 0), .task, interaction))
        var told: String?
        let end = try AttachedSession(stream, interaction).run {
            // Where the server does not answer now, the session itself tells.
            let reason = (try? connection.client.summary(reply.id))?.reason
            if let reason, reason != told { Terminal.writeError("job \(reply.id): \(reason)\n") }
            told = reason
        }
        if case .neverStarted = end {
            throw ExitCode(try Outcome.status(of: try connection.client.summary(reply.id)))
        }
        throw ExitCode(try SessionEnd.status(end))
    }
}

/// A finished job as an exit status.
enum Outcome {
    static func status(of job: JobSummary) throws -> Status {
        switch job.state {
        case .succeeded: return .success
        // Its image never came: no task has failed.
        case .failed
        where job.started == nil && job.counts.failed + job.counts.lost == 0
            && job.image.digest == nil && job.image.reference != "host":
            throw Failure(.infrastructure, job.reason ?? "the image cannot be had")
        case .failed, .cancelled: return .taskFailed
        case .held:
            throw Failure(
                .infrastructure, job.reason ?? "the job is held",
                hint: "`martlet cancel \(job.id)` ends it, `martlet retry \(job.id)` tries again")
        case .waiting, .queued, .running: return .infrastructure
        }
    }
}
