import ArgumentParser
import Glibc
import JobModel
import JobServer
import LinuxSystem
import ServerAPI
import TerminalUI

struct Server: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start, stop and ask this user's server. Every command that needs it starts it.",
        subcommands: [Start.self, Stop.self, StatusCommand.self, RunServer.self])

    struct Start: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Start the server where it does not run.")
        @Flag(help: "Print its status as JSON.") var json = false

        func run() throws {
            let status = try Connection.open().client.status()
            if json { return JSONOutput.write(status) }
            Terminal.write("the server runs (pid \(status.pid))\n")
        }
    }

    struct Stop: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop the server. Tasks run on, and the next command picks them up.")
        @Flag(
            help:
                "End the tasks as well, with their launcher and agent; they are queued again at the next start."
        ) var tasks = false
        @Flag(name: .shortAndLong, help: "Print nothing.") var quiet = false
        @Flag(help: "Print as JSON.") var json = false

        private func reach() throws -> Connection? {
            if let connection = Connection.existing() { return connection }
            return tasks && Server.agentRuns() ? try Connection.open() : nil
        }

        /// It removes its cgroups and mounts when its last task has ended.
        private func awaitLauncherEnd(_ directories: Directories) throws {
            let deadline = Clock.monotonic() + 20_000
            // Taken for a moment only: a launcher that begins meanwhile tries again.
            while try FileLock.attempt(directories.launcherLock) == nil {
                guard Clock.monotonic() < deadline else {
                    throw Failure(
                        .infrastructure,
                        "the server has stopped, but the launcher of its tasks runs on")
                }
                usleep(2000)
            }
        }

        /// Returns the server's pid; nil where it has just ended by itself.
        private func tell(_ connection: Connection) throws -> Int32? {
            let pid: Int32
            do {
                pid = try connection.client.status().pid
                try connection.client.shutdown(stopNodes: tasks)
            } catch  where error is ServerGone || error is SystemError {
                // One that is being killed takes connections until its last thread has ended.
                guard let next = try reach() else { return nil }
                usleep(10_000)
                return try tell(next)
            }
            return pid
        }

        func run() throws {
            guard let connection = try reach(), let pid = try tell(connection) else {
                if json { return JSONOutput.write(StopDocument(pid: nil, tasks: tasks)) }
                if !quiet { Terminal.write("no server runs\n") }
                return
            }
            guard try Daemon.awaitEnd(of: pid, milliseconds: 20_000) else {
                throw Failure(.infrastructure, "the server (pid \(pid)) does not end")
            }
            if tasks { try awaitLauncherEnd(connection.directories) }
            if json { return JSONOutput.write(StopDocument(pid: pid, tasks: tasks)) }
            if !quiet {
                Terminal.write(
                    tasks
                        ? "stopped the server and its tasks\n"
                        : "stopped the server; running tasks run on\n")
            }
        }
    }

    /// Where a server was killed its tasks run on, and it takes a server to end them.
    private static func agentRuns() -> Bool {
        (try? UnixSocket.connect(Directories.current().agentSocket, .stream)) != nil
    }

    struct StatusCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Tell how the server and its nodes are.")
        @Flag(help: "Print as JSON.") var json = false

        func run() throws {
            guard let connection = Connection.existing() else {
                if json {
                    JSONOutput.write(NoServer())
                } else {
                    Terminal.write("no server runs; any command starts it\n")
                }
                return
            }
            let status = try connection.client.status()
            if json { return JSONOutput.write(status) }
            Terminal.write(
                "server     pid \(status.pid), \(Words.size(status.residentMemory)), since \(status.started)\n"
            )
            Terminal.write("files      \(status.directory)\n")
            Terminal.write(
                "jobs       \(status.activeJobs) active, \(Words.count(status.counts.running, "task")) running, \(status.counts.queued) queued\n"
            )
            if let held = status.held { Terminal.write("held       \(held)\n") }
            for node in status.nodes {
                Terminal.write(
                    "node       \(node.name): \(node.state.rawValue), \(node.freeCPUs) of \(node.cpus) CPUs and \(Words.size(node.freeMemory)) of \(Words.size(node.memory)) free"
                        + (node.reason.map { "; \($0)" } ?? "") + "\n")
            }
        }
    }

    /// What `status --json` prints where no server runs.
    private struct NoServer: Encodable {
        let schema = JobModel.schemaVersion
        let running = false
    }

    struct RunServer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Be the server, in the foreground.")

        func run() async throws {
            let directories = Directories.current()
            let lock = try ServerLock(directories)
            unlink(directories.serverSocket)
            let jobs = JobServer(directories: directories)
            try await jobs.start()
            let api = APIServer(jobs: jobs, socketPath: directories.serverSocket)
            let stopNodes = try await api.run {}
            unlink(directories.serverSocket)
            await jobs.shutdown(stopNodes: stopNodes)
            // Held until here: whoever starts the next server finds this one's work done.
            withExtendedLifetime(lock) {}
        }
    }
}
