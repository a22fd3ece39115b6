import Foundation
import Glibc
import JobModel
import LinuxSystem
import ServerAPI
import TerminalUI

/// A process on a node with this process's own standard input and outputs, or a connection with another, until it ends. One loop,
/// one thread.
final class AttachedSession {
    /// Borrowed.
    struct Descriptors {
        var input: Int32 = 0
        var output: Int32 = 1
        var errors: Int32 = 2
    }
    private let stream: SessionStream
    private let descriptors: Descriptors
    private let interaction: Interaction
    private var isOpen = false
    private var isInputOver: Bool
    /// Bytes of input that may still be sent.
    private var granted = SessionWindow.size
    /// Bytes of output that have been written since the last grant.
    private var taken = 0
    private var buffer = [UInt8](repeating: 0, count: SessionWindow.chunk)

    init(
        _ stream: SessionStream, _ interaction: Interaction, _ descriptors: Descriptors = .init()
    ) {
        self.stream = stream
        self.descriptors = descriptors
        self.interaction = interaction
        isInputOver = !interaction.stdin
    }

    /// Returns how the process ended. `onWait` is called every second until it runs.
    func run(onWait: () -> Void = {}) throws -> ExitStatus {
        defer { RawTerminal.leave() }
        while true {
            var pollers = [
                pollfd(fd: stream.fileDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(
                    fd: isOpen && !isInputOver && granted > 0 ? descriptors.input : -1,
                    events: Int16(POLLIN), revents: 0),
                pollfd(fd: RawTerminal.wakeDescriptor, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&pollers, 3, isOpen ? -1 : 1000)
            if count == 0 { onWait() }
            guard count > 0 else { continue }
            if pollers[2].revents != 0 { try tellSize() }
            if pollers[1].revents != 0 { try readInput() }
            if pollers[0].revents != 0, let end = try readOutput() { return end }
        }
    }

    private func tellSize() throws {
        RawTerminal.hear()
        if let size = RawTerminal.size { try stream.send(.resize(size)) }
    }

    private func readInput() throws {
        let count = read(descriptors.input, &buffer, min(granted, buffer.count))
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        guard count > 0 else {
            isInputOver = true
            return try stream.send(.end)
        }
        granted -= count
        try stream.send(.bytes(Data(buffer[..<count])))
    }

    private func readOutput() throws -> ExitStatus? {
        let outputs: [SessionOutput]?
        do {
            outputs = try stream.receive()
        } catch let error where error is SystemError || error is ServerGone {
            outputs = nil
        }
        guard let outputs else { return .lost("the connection to the server has ended") }
        for output in outputs {
            switch output {
            case .opened: try begin()
            case .bytes(let stream, let data):
                try write(
                    data, to: stream == .stdout ? descriptors.output : descriptors.errors)
            case .grant(let count): granted += count
            case .ended(let status): return status
            }
        }
        return nil
    }

    private func begin() throws {
        isOpen = true
        guard interaction.terminal != nil, Terminal.isInputTerminal else { return }
        try RawTerminal.enter()
        // It may have changed while the process was being started.
        try tellSize()
    }

    private func write(_ data: Data, to fd: Int32) throws {
        do throws(SystemError) {
            try writeAll(data, to: fd)
        } catch {
            guard error.errno == EPIPE, fd <= 2 else { throw error }
            // As SIGPIPE would.
            RawTerminal.leave()
            exit(128 + SIGPIPE)
        }
        taken += data.count
        guard taken >= SessionWindow.size / 4 else { return }
        try stream.send(.grant(taken))
        taken = 0
    }

    private func writeAll(_ data: Data, to fd: Int32) throws(SystemError) {
        var rest = Array(data)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Somebody who shares the terminal has made it non-blocking.
                var wait = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            } else if errno != EINTR {
                let names = ["standard output", "standard error"]
                throw SystemError.last("write", (1...2).contains(fd) ? names[Int(fd) - 1] : "")
            }
        }
    }
}

/// How a process ended, as the exit status of the command that sat at it.
enum SessionEnd {
    /// A process that could not be started: 127 where there is no such command, 126 where it cannot be run, else 125.
    static func status(_ end: ExitStatus) throws -> Int32 {
        switch end {
        case .code(let code): return code
        case .signal(let signal): return 128 + signal
        case .startFailure(_, let subject, ESRCH):
            throw Failure(.infrastructure, "there is nobody to sit at: \(subject)")
        case .startFailure(let step, let subject, let error):
            Terminal.writeError("martlet: \(step) \(subject): \(SystemError.text(error))\n")
            guard step == "exec" else { return 125 }
            return error == ENOENT ? 127 : 126
        case .lost(let reason):
            throw Failure(.infrastructure, "the session is over: \(reason)")
        case .neverStarted:
            throw Failure(.infrastructure, "the task never started")
        }
    }
}
