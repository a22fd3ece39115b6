import ArgumentParser
import Foundation
import JobModel
import ServerAPI
import SpecFile
import TerminalUI

struct Submit: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Submit a job and return.")

    @OptionGroup var options: SpecOptions
    @OptionGroup var submission: SubmissionOptions

    func run() throws {
        guard let reply = try submission.submit(options) else { return }
        submission.tell(reply)
    }
}

/// What `run` and `submit` share beyond the spec.
struct SubmissionOptions: ParsableArguments {
    @Flag(help: "Print every expanded command, and submit nothing.") var dryRun = false
    @Option(help: "Print the points, as `csv`, and submit nothing.") var points: String?
    @Option(help: "Same key, same job: a repeated submit returns the first one's number.") var key:
        String?
    @Flag(help: "Print as JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print the job's number alone.") var quiet = false

    func validate() throws {
        if let points, points != "csv" {
            throw ValidationError("--points knows csv, not '\(points)'")
        }
    }

    /// Reads, checks and submits; nil where only a look was asked for. With an interaction the job is one that somebody sits at.
    func submit(_ options: SpecOptions, _ interaction: Interaction? = nil) throws -> SubmitReply? {
        var (spec, source) = try options.read()
        let expansion = try SweepExpansion(spec.sweep)
        if let interaction { try Self.tie(&spec, expansion.count, to: interaction) }
        if dryRun {
            Rendering.commands(spec, expansion, Terminal.write)
            return nil
        }
        if points != nil, let sample = spec.sweep.sample, let sampler = sample.sampler {
            throw Failure(
                .usage,
                "--points: none is known before; there are \(Rendering.origin(of: sample, sampler, spec))",
                hint: "--dry-run prints the command that all of them get")
        }
        if points != nil {
            Rendering.csv(expansion, Terminal.write)
            return nil
        }
        try Preflight.check(spec)
        if spec.confinement == .privileged { Self.warnOfPrivilege() }
        // A key of its own lets it be sent to the next server where one ends without an answer.
        let reply = try Connection.open().client.submit(
            SubmitRequest(spec: spec, source: source, key: key ?? "once-\(UUID().uuidString)"))
        if !quiet, !json {
            for note in reply.notes ?? [] { Terminal.writeError("note: \(note)\n") }
        }
        return reply
    }

    private static func warnOfPrivilege() {
        Terminal.writeError(
            """
            WARNING: the tasks of this job are privileged. They have all capabilities and the machine's devices, no seccomp
            filter holds them, and nothing is masked: whatever runs in them can do to its node what root can.

            """)
    }

    private static func tie(_ spec: inout JobSpec, _ count: Int, to interaction: Interaction) throws
    {
        guard count == 1 else {
            throw Failure(
                .usage, "-i and -t are for a job of one task, and this one has \(count)",
                hint: "submit it, and open a shell in one of them: martlet shell JOB_INDEX")
        }
        spec.interaction = interaction
        // Whoever sits there tries again.
        spec.retry.attempts = 1
        guard interaction.terminal != nil else { return }
        spec.env.merge(Sitter.terminalEnvironment.mapValues(Placeholders.escaped)) { own, _ in own }
    }

    func tell(_ reply: SubmitReply) {
        if json {
            JSONOutput.write(reply)
        } else if quiet {
            Terminal.write("\(reply.id)\n")
        } else {
            Terminal.write(
                "job \(reply.id), \(reply.name): \(reply.tasks) task\(reply.tasks == 1 ? "" : "s")\n"
            )
        }
    }
}

/// The documents of `--json`: sorted keys, so that they compare.
enum JSONOutput {
    static func write(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Our own reports hold nothing that JSON cannot say.
        guard let data = try? encoder.encode(value) else { return }
        Terminal.write(Array(data) + [10])
    }
}
