import ArgumentParser
import Glibc
import JobModel
import SpecFile
import TerminalUI

/// The command line. One file a verb; each says in `run()` what it does.
@main
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Parameter sweeps and batch arrays in containers, at close to native speed.",
        discussion: """
            martlet run --image python:3.12-slim --sweep lr=0.1,0.01 -- python3 train.py --lr {lr}

            Exit status of run and wait: 0 all succeeded, 1 some task failed, 2 usage or spec error,
            3 infrastructure failure, 124 deadline passed, 130 interrupted.
            """,
        version: "0.1.0",
        subcommands: [
            Run.self, Submit.self, List.self, Show.self, Logs.self, Results.self, Compare.self,
            Cancel.self,
            NodesCommand.self,
            Retry.self, SetCommand.self, Hold.self, Release.self, Pause.self, Resume.self,
            Wait.self, Events.self, Report.self, Explain.self, Exec.self, Shell.self,
            Forward.self, Simulate.self,
            ImageCommand.self, Login.self, Logout.self, Server.self, TopologyCommand.self,
            CompletionCommand.self, Manual.self, Debug.self,
        ])

    static func main() async {
        // A reader that has gone is found by the write that fails.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Glibc.exit(report(error))
        }
    }

    /// Tells what went wrong, on standard error, and returns the status to exit with.
    private static func report(_ error: any Error) -> Int32 {
        // As compilers write it, so that editors find the place.
        if let error = error as? SpecError {
            Terminal.writeError("\(error)\n")
            return Status.usage.rawValue
        }
        if let failure = Failure(error) {
            let hint = failure.hint.map { "    \($0)\n" } ?? ""
            Terminal.writeError("martlet: \(failure.message)\n" + hint)
            return failure.status.rawValue
        }
        let message = fullMessage(for: error)
        let code = exitCode(for: error)
        if !message.isEmpty {
            if code.isSuccess {
                Terminal.write(message + "\n")
            } else {
                Terminal.writeError(message + "\n")
            }
        }
        // EX_USAGE is ArgumentParser's; ours for a usage error is 2.
        if code == .validationFailure { return Status.usage.rawValue }
        // Its failure is any error that it does not know: no task's, so not 1.
        return code == .failure && !(error is ExitCode)
            ? Status.infrastructure.rawValue : code.rawValue
    }
}
