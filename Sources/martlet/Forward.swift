import ArgumentParser
import Glibc
import JobModel
import JobServer
import LinuxSystem
import ServerAPI
import Synchronization
import TerminalUI
import Threads

struct Forward: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let programs here reach a port of a running task, wherever it runs.",
        discussion: """
            martlet forward 42_7 8888               http://127.0.0.1:8888 is what the task serves on 8888
            martlet forward 43_0 9000:8888 6006     9000 here, and 6006
            martlet forward 42_7 0:8888             any free port here

            Goes on until Ctrl-C, or until the task has ended. On a private network these are ports that the job publishes.
            """)

    @Argument(help: "42_7; last, 42 or a name where the job has one task.") var task: String
    @Argument(help: "PORT, or HERE:PORT.") var ports: [String]
    @Option(
        help: "Numeric address to listen at; another than the loopback's lets other machines in.")
    var address = "127.0.0.1"

    func run() throws {
        let pairs = try ports.map(Self.pair)
        let connection = try Connection.open()
        let task = try connection.resolveTask(task)
        let node = try Self.check(task, connection, pairs.map(\.there))
        let doors = try pairs.map { try Door(address, $0.here, to: $0.there, of: task) }
        for door in doors { Terminal.writeError("\(door) on \(node)\n") }
        let end = try TaskEnd(task)
        while true {
            var pollers = doors.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            pollers.append(pollfd(fd: end.descriptor, events: Int16(POLLIN), revents: 0))
            guard poll(&pollers, nfds_t(pollers.count), -1) > 0 else { continue }
            if pollers[doors.count].revents != 0 { break }
            for (door, poller) in zip(doors, pollers) where poller.revents != 0 { door.accept() }
        }
        Terminal.writeError("task \(task) has ended\n")
    }

    /// `8888`, `9000:8888`, `0:8888`.
    static func pair(_ text: String) throws -> (here: UInt16, there: UInt16) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { UInt16($0) }
        guard (1...2).contains(parts.count), numbers.count == parts.count,
            let there = numbers.last, there > 0
        else {
            throw Failure(.usage, "'\(text)' is not a port", hint: "write 8888, or 9000:8888")
        }
        return (numbers[0], there)
    }

    /// Where the task runs. What cannot work is told before anybody connects.
    private static func check(_ task: TaskID, _ connection: Connection, _ ports: [UInt16]) throws
        -> String
    {
        let selection = TaskSelection(job: task.job, ranges: [task.index..<task.index + 1])
        guard let report = try connection.client.report(ReportRequest(selection)).tasks.first,
            report.state == .running, let node = report.node
        else { throw Failure(.usage, "task \(task) does not run", hint: "martlet explain \(task)") }
        let published = report.ports.filter { $0.transport == .tcp }.map(\.taskPort)
        if !published.isEmpty, let other = ports.first(where: { !published.contains($0) }) {
            let words = published.map(String.init).joined(separator: ", ")
            throw Failure(.usage, "task \(task) publishes no TCP port \(other), but \(words)")
        }
        return node
    }
}

/// Where programs of this machine go in.
private struct Door: CustomStringConvertible {
    private let listener: ListeningSocket
    private let here: String
    private let there: UInt16
    private let task: TaskID
    var descriptor: Int32 { listener.socket.raw }

    private final class ListeningSocket: Sendable {
        let socket: OwnedFD
        init(_ socket: consuming OwnedFD) { self.socket = socket }
    }

    init(_ address: String, _ port: UInt16, to there: UInt16, of task: TaskID) throws {
        do throws(SystemError) {
            listener = ListeningSocket(try TCPSocket.listen(address, port))
            let host = address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
            here = "\(host):\(try TCPSocket.port(of: listener.socket.raw))"
        } catch {
            let isOther = error.errno == EADDRINUSE || error.errno == EACCES
            throw Failure(
                .usage, "\(error)",
                hint: isOther ? "any free port here: `0:\(there)`" : nil)
        }
        self.there = there
        self.task = task
    }

    var description: String { "\(here) -> port \(there) of task \(task)" }

    /// Each connection has a thread: it blocks, and there are few of them.
    func accept() {
        do throws(SystemError) {
            guard let socket = try TCPSocket.accept(descriptor)?.release() else { return }
            do throws(SystemError) {
                _ = try WorkerThread("forward") { [there, task] in
                    Self.carry(socket, to: there, of: task)
                    close(socket)
                }
            } catch {
                close(socket)
                throw error
            }
        } catch {
            Terminal.writeError("martlet: \(error)\n")
        }
    }

    private static func carry(_ socket: Int32, to port: UInt16, of task: TaskID) {
        do {
            let interaction = Interaction(stdin: true, terminal: nil)
            let stream = try Connection.open().client.openSession(
                SessionRequest(task: task, .port(port), interaction))
            let session = AttachedSession(
                stream, interaction, .init(input: socket, output: socket, errors: socket))
            switch try session.run() {
            case .startFailure(_, let subject, let error):
                Terminal.writeError("martlet: \(subject): \(SystemError.text(error))\n")
            case .lost(let reason): Terminal.writeError("martlet: port \(port): \(reason)\n")
            case .code, .signal, .neverStarted: break
            }
        } catch let error as SystemError where [EPIPE, ECONNRESET].contains(error.errno) {
            // Whoever connected has gone.
        } catch {
            let text = Failure(error)?.message ?? "\(error)"
            Terminal.writeError("martlet: port \(port): \(text)\n")
        }
    }
}

/// Readable once a task runs no more.
private final class TaskEnd: Sendable {
    private let reader: OwnedFD
    var descriptor: Int32 { reader.raw }

    init(_ task: TaskID) throws {
        let (reader, writer) = try UnixSocket.pair(.messages).release()
        self.reader = OwnedFD(reader)
        _ = try WorkerThread("task's end") {
            Self.await(task)
            close(writer)
        }
    }

    private static func await(_ task: TaskID) {
        let selection = TaskSelection(job: task.job, ranges: [task.index..<task.index + 1])
        var version: Int64 = 0
        while true {
            do {
                let connection = try Connection.open()
                version = try connection.client.change(
                    task.job, after: version, milliseconds: 10_000
                ).version
                let report = try connection.client.report(ReportRequest(selection))
                if report.tasks.first?.state.isFinal != false { return }
            } catch {
                // Without a server nobody tells; connections say so themselves.
            }
            // A job of many tasks changes all the time.
            usleep(500_000)
        }
    }
}
