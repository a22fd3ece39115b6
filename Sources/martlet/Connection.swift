import Glibc
import JobModel
import JobServer
import LinuxSystem
import ServerAPI

/// This user's server, started where it does not run.
struct Connection {
    let client: APIClient
    let directories: Directories

    /// Starts the server if need be, and waits until it answers.
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

    private func startServer() throws {
        var start = try ServerStart(directories)
        while !client.isAnswering {
            try start.goOn()
            usleep(3000)
        }
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
