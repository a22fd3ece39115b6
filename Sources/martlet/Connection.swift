import Glibc
import JobModel
import JobServer
import LinuxSystem
import ServerAPI

/// This user's server, started where it does not run.
struct Connection {
    let client: APIClient
    let directories: Directories

    /// Starts the server if need be, and waits until it answers: 15 s, since a large database takes its time after a crash.
    static func open() throws -> Connection {
        let directories = Directories.current()
        try directories.checkSocketPaths()
        let connection = Connection(
            client: APIClient(socketPath: directories.serverSocket) { _ = try Connection.open() },
            directories: directories)
        if !connection.client.isAnswering { try connection.startServer() }
        return connection
    }

    /// Nil where no server runs.
    static func existing() -> Connection? {
        let directories = Directories.current()
        let connection = Connection(
            client: APIClient(socketPath: directories.serverSocket), directories: directories)
        return connection.client.isAnswering ? connection : nil
    }

    private var log: String { directories.run + "/server.log" }

    private func startServer() throws {
        try Files.makePrivateDirectory(directories.run)
        let program = try Daemon.sibling("martlet")
        let deadline = Clock.monotonic() + 15_000
        var nextStart: Int64 = 0
        while !client.isAnswering {
            let now = Clock.monotonic()
            // One that is ending holds its lock to the last, and the server started meanwhile gives up: another is started.
            if now >= nextStart {
                if let other = ServerLock.otherServer(directories) { throw other }
                try Daemon.start([program, "server", "run"], log: log)
                nextStart = now + 500
            }
            guard now < deadline else {
                throw Failure(
                    .infrastructure, "the server does not start",
                    hint: "its log, \(log), ends:\n\(tail(log))")
            }
            usleep(3000)
        }
    }

    private func tail(_ path: String) -> String {
        // Without a log there is nothing to show.
        let text = (try? Files.text(path, limit: 1 << 26)) ?? ""
        return text.split(separator: "\n").suffix(5).map { "      \($0)" }.joined(separator: "\n")
    }

    /// What selectors mean now. A wrong one is a usage error.
    func resolve(_ texts: [String]) throws -> [TaskSelection] {
        let selectors = try texts.map { try Selector($0) }
        let jobs = try client.jobs()
        return try selectors.map { selector in
            guard let selection = try selector.resolve(among: jobs) else {
                throw Failure(
                    .usage,
                    jobs.isEmpty ? "there are no jobs yet" : "there is no job '\(selector.text)'",
                    hint: jobs.isEmpty ? nil : "`martlet ls` lists them")
            }
            return selection
        }
    }
}
