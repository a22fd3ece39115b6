import ArgumentParser
import Foundation
import JobModel
import ServerAPI
import TerminalUI

struct Exec: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command in the container of a running task.",
        discussion: """
            martlet exec 42_7 -- nvidia-smi
            echo data | martlet exec 42_7 -i -- cat
            martlet exec 42_7 -it -- python3

            Exit status: that of the command, 128+n where signal n ended it, 127 where there is no such command, 126 where it
            cannot be run, 125 where the container cannot be entered so.
            """)

    @Argument(
        help: "42_7; last, 42 or a name where the job has one task.", completion: Completions.jobs)
    var task: String
    @Argument(parsing: .postTerminator, help: "The command, after --.") var command: [String] = []
    @Flag(name: [.customShort("i"), .customLong("interactive")], help: "Pass standard input on.")
    var withInput = false
    @Flag(name: [.customShort("t"), .customLong("tty")], help: "Give the command a terminal.")
    var withTerminal = false
    @OptionGroup var surroundings: CommandSurroundings

    func validate() throws {
        if command.isEmpty {
            throw ValidationError("a command is missing: martlet exec \(task) -- COMMAND")
        }
    }

    func run() throws {
        let interaction = try Sitter.interaction(input: withInput, terminal: withTerminal)
        throw ExitCode(
            try Sitter.run(task, surroundings.command(command, interaction), interaction))
    }
}

struct Shell: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Open a shell in the container of a running task: bash where it has one, else sh.",
        discussion: "Without a terminal it reads its commands from standard input, as ssh does.")

    @Argument(
        help: "42_7; last, 42 or a name where the job has one task.", completion: Completions.jobs)
    var task: String =
        "last"
    @OptionGroup var surroundings: CommandSurroundings

    func run() throws {
        let interaction = try Sitter.interaction(input: true, terminal: Terminal.isInputTerminal)
        let find = "command -v bash >/dev/null 2>&1 && exec bash; exec sh"
        let command = try surroundings.command(["sh", "-c", find], interaction)
        throw ExitCode(try Sitter.run(task, command, interaction))
    }
}

/// What `exec` and `shell` may change of the task's own surroundings.
struct CommandSurroundings: ParsableArguments {
    @Option(name: .shortAndLong, help: "User in the container: name, uid, uid:gid.") var user:
        String?
    @Option(name: .shortAndLong, help: "Working directory in the container.") var workdir: String?
    @Option(name: .shortAndLong, help: "NAME=VALUE; NAME alone takes it from here.") var env:
        [String] = []

    func command(_ arguments: [String], _ interaction: Interaction) throws -> SessionCommand {
        if let workdir, !workdir.hasPrefix("/") {
            throw Failure(
                .usage, "--workdir \(workdir): it must be an absolute path in the container")
        }
        let here = ProcessInfo.processInfo.environment
        let given = env.map { $0.contains("=") ? $0 : "\($0)=\(here[$0] ?? "")" }
        let terminal = interaction.terminal == nil ? [:] : Sitter.terminalEnvironment
        let names = Set(given.map { $0.prefix { $0 != "=" } })
        let added = terminal.filter { !names.contains($0.key[...]) }.map { "\($0.key)=\($0.value)" }
        return SessionCommand(
            arguments: arguments, environment: added.sorted() + given, directory: workdir,
            user: user)
    }
}

/// Whoever types this command, and sits at a process.
enum Sitter {
    /// What a process has to know of the terminal.
    static var terminalEnvironment: [String: String] {
        let here = ProcessInfo.processInfo.environment
        return ["TERM": here["TERM"] ?? "xterm"].merging(
            here.filter { ["COLORTERM", "NO_COLOR"].contains($0.key) }
        ) { $1 }
    }

    static func interaction(input: Bool, terminal: Bool) throws -> Interaction {
        guard terminal else { return Interaction(stdin: input, terminal: nil) }
        guard !input || Terminal.isInputTerminal else {
            throw Failure(
                .usage, "standard input is no terminal", hint: "leave -t out to pipe into it")
        }
        let size = RawTerminal.size ?? WindowSize(rows: 24, columns: 80)
        return Interaction(stdin: input, terminal: size)
    }

    static func run(_ task: String, _ command: SessionCommand, _ interaction: Interaction) throws
        -> Int32
    {
        let connection = try Connection.open()
        let request = SessionRequest(
            task: try connection.resolveTask(task), .command(command), interaction)
        let stream = try connection.client.openSession(request)
        return try SessionEnd.status(try AttachedSession(stream, interaction).run())
    }
}

extension Connection {
    /// The one task that is meant.
    func resolveTask(_ text: String) throws -> TaskID {
        let selection = try resolve([text])[0]
        let count = try client.summary(selection.job).counts.total
        let ranges = selection.ranges(of: count)
        guard ranges.count == 1, let range = ranges.first, range.count == 1 else {
            throw Failure(
                .usage, "'\(text)' means several tasks",
                hint: "name one: \(selection.job)_\(ranges.first?.lowerBound ?? 0)")
        }
        return TaskID(job: selection.job, index: range.lowerBound)
    }
}
