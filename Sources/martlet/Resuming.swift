import ArgumentParser
import Glibc
import JobModel
import ServerAPI
import SpecFile
import TerminalUI

/// `run --resume`.
extension Run {
    /// The job that goes on, or a new one where there is none of that name; nil where only a look was asked for.
    func goOn() throws -> SubmitReply? {
        if submission.dryRun || submission.points != nil { return try submission.submit(options) }
        guard submission.key == nil else {
            throw Failure(
                .usage, "--key names a new job, and --resume an old one", hint: "use one of the two"
            )
        }
        let (spec, source) = try options.read()
        try Preflight.check(spec)
        let client = try Connection.open().client
        var request = ResumeRequest(spec: spec, source: source, consents: yes)
        var reply = try client.resume(request)
        guard let id = reply.id else {
            tell("there is no job called \(spec.name) yet: this is the first\n")
            return try submission.submit(options)
        }
        if !reply.isDone {
            try ask(id, reply.changes)
            request.consents = true
            reply = try client.resume(request)
        }
        tell(Self.words(reply, id))
        return SubmitReply(
            id: id, name: reply.name, tasks: reply.kept + reply.queued + reply.dropped)
    }

    private func tell(_ text: String) {
        if !submission.quiet, !submission.json { Terminal.write(text) }
    }

    private static func words(_ reply: ResumeReply, _ id: JobID) -> String {
        var words = ["\(reply.kept) kept", "\(reply.queued) to run"]
        if reply.added > 0 { words[1] += " (\(reply.added) new)" }
        if reply.dropped > 0 { words.append("\(reply.dropped) no longer in the sweep") }
        return "job \(id) goes on: \(words.joined(separator: ", "))\n"
    }

    /// What succeeded was made by what the spec said before: whoever mixes the two has to know.
    private func ask(_ id: JobID, _ changes: [SpecChange]) throws {
        Terminal.writeError("The spec is not the one that job \(id) was run with:\n")
        for change in changes {
            Terminal.writeError("  \(change.key)\n")
            if let before = change.before { Terminal.writeError("    - \(before)\n") }
            if let after = change.after { Terminal.writeError("    + \(after)\n") }
        }
        guard Terminal.isInputTerminal, Terminal.isErrorTerminal else {
            throw Failure(
                .usage, "job \(id) was run with another spec, and nobody is here to be asked",
                hint: "--yes keeps what succeeded with it, and runs the rest with this one")
        }
        Terminal.writeError("Keep what succeeded, and run the rest so? [y/N] ")
        var answer = [UInt8](repeating: 0, count: 64)
        let count = read(0, &answer, answer.count)
        guard count > 0, [UInt8(ascii: "y"), UInt8(ascii: "Y")].contains(answer[0]) else {
            Terminal.writeError("nothing was changed\n")
            throw ExitCode(Status.interrupted)
        }
    }
}
