import ArgumentParser
import ImageStore
import JobModel
import JobServer
import ServerAPI

/// What shells offer for an argument: asked of a server that runs, and never a reason to start one.
enum Completions {
    /// Tasks of one job, at most: a menu of more helps nobody.
    private static let most = 100

    /// `last`, numbers, newest first, and names; behind `42_` the tasks of that job.
    static var jobs: CompletionKind {
        .custom { _, _, prefix in offer(jobs: prefix, tasks: true) }
    }

    /// For verbs that know whole jobs alone.
    static var wholeJobs: CompletionKind {
        .custom { _, _, prefix in offer(jobs: prefix, tasks: false) }
    }

    static var nodes: CompletionKind {
        // Without a server nobody knows, and a shell has no use for the reason.
        .custom { _, _, _ in
            ((try? Connection.existing()?.client.nodes()) ?? []).map(\.name).map(escaped)
        }
    }

    static var images: CompletionKind {
        .custom { _, _, _ in ImageDoor.store().list().map(\.reference).map(escaped) }
    }

    private static func offer(jobs prefix: String, tasks: Bool) -> [String] {
        // As above.
        guard let client = Connection.existing()?.client, let jobs = try? client.jobs(),
            !jobs.isEmpty
        else { return [] }
        let head = prefix.prefix { $0 != "_" }
        if tasks, head.count < prefix.count, let job = jobs.first(where: { "\($0.id)" == head }) {
            let request = ReportRequest(TaskSelection(job: job.id), limit: most)
            let report = try? client.report(request)
            return (report?.tasks ?? []).map { "\(job.id)_\($0.index)" }
        }
        var names: [String] = []
        for job in jobs.reversed() where !names.contains(job.name) { names.append(job.name) }
        return (["last"] + jobs.reversed().map { "\($0.id)" } + names).map(escaped)
    }

    /// zsh takes what follows a colon for a description (_describe, zshcompsys(1)).
    private static func escaped(_ word: String) -> String {
        guard CompletionShell.requesting == .zsh else { return word }
        return word.split(separator: ":", omittingEmptySubsequences: false).joined(
            separator: "\\:")
    }
}

struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print the completion script for a shell.",
        discussion: """
            bash: martlet completion bash > ~/.local/share/bash-completion/completions/martlet
            zsh:  martlet completion zsh > a directory of $fpath, as _martlet
            fish: martlet completion fish > ~/.config/fish/completions/martlet.fish
            """)

    @Argument(help: "bash, zsh or fish.", completion: .list(["bash", "zsh", "fish"]))
    var shell: String

    func run() throws {
        guard let shell = CompletionShell(rawValue: shell) else {
            throw Failure(.usage, "completion knows bash, zsh and fish, not '\(shell)'")
        }
        // Where the cursor stands in its word: ArgumentParser 1.8 asks in a way that fish before 4 knows on a terminal alone.
        print(
            Martlet.completionScript(for: shell).replacing(
                "(__martlet_tokens -tC)", with: "(string length -- (commandline -ct))"))
    }
}
