import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization

@testable import NodeAgent

/// An agent's end of the link with nothing behind it but streams, on a thread of its own. Answers `cancel` with `held`.
final class StreamServer: Sendable {
    private let path: String
    private let skills: [String]?
    private let serve: @Sendable (UInt16) -> any AgentStream
    /// Messages of the head's that were answered.
    let answered = Mutex(0)
    private let isStopping = Mutex(false)

    init(
        _ path: String, skills: [String]? = [AgentSkill.streams],
        serve: @escaping @Sendable (UInt16) -> any AgentStream
    ) throws {
        (self.path, self.skills, self.serve) = (path, skills, serve)
        signal(SIGPIPE, SIG_IGN)
        let listener = try UnixSocket.listen(path, .stream).release()
        Thread.detachNewThread { [self] in
            // Nothing of it is expected to fail; where it does, no head connects.
            try? run(OwnedFD(listener))
        }
    }

    func stop() { isStopping.withLock { $0 = true } }

    private func run(_ listener: consuming OwnedFD) throws {
        let loop = try EventLoop()
        var sessions: [HeadSession] = []
        let raw = listener.release()
        try loop.watch(raw, for: .read) { _ in
            guard let fd = try? UnixSocket.accept(raw)?.release() else { return }
            let session = try? HeadSession(fd, loop) {
                self.take($1, $0)
            } onEnd: { ended in
                sessions.removeAll { $0 === ended }
            }
            if let session { sessions.append(session) }
        }
        func look() {
            if isStopping.withLock({ $0 }) { loop.stop() } else { loop.after(20) { look() } }
        }
        look()
        try loop.run()
        for session in sessions { session.close() }
        close(raw)
    }

    private func take(_ message: ToAgent, _ session: HeadSession) {
        switch message {
        case .hello:
            var hello = AgentHello(
                agentEpoch: "1", launcherEpoch: "1", bootID: "1",
                inventory: NodeInventory(hostname: "h", numaNodes: [], gpus: []), accepted: [],
                started: [], exited: [])
            hello.skills = skills
            session.send(.hello(hello))
        case .cancel:
            session.send(.held(reason: "answered"))
            answered.withLock { $0 += 1 }
        case .stream(let number, _): session.open(number, serve(number))
        default: break
        }
    }
}

/// Sends bytes that tell their places, `length` of them or without end, and keeps what comes.
final class TestStream: AgentStream {
    struct Seen {
        var received = 0
        var headEnd: [String?] = []
        var isClosed = false
    }
    private let seen: @Sendable (_ change: @Sendable (inout Seen) -> Void) -> Void
    private let length: Int?
    private let echoes: Bool
    private let consumes: Bool
    private var sent = 0
    private var waiting: [UInt8] = []
    private var isOver = false
    private var port: StreamPort?

    init(
        length: Int? = 0, echoes: Bool = false, consumes: Bool = true,
        seen: @escaping @Sendable (@Sendable (inout Seen) -> Void) -> Void = { _ in }
    ) {
        (self.length, self.echoes, self.consumes, self.seen) = (length, echoes, consumes, seen)
    }

    static func byte(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: place &* 31 &+ place >> 8) }

    func begin(_ port: StreamPort) { self.port = port }

    func next(_ limit: Int) -> StreamPiece {
        if echoes {
            let piece = Array(waiting.prefix(limit))
            waiting.removeFirst(piece.count)
            return piece.isEmpty ? (isOver ? .end(nil) : .later) : .bytes(piece)
        }
        let count = min(limit, length.map { $0 - sent } ?? limit)
        if isOver || count == 0 { return isOver || consumes ? .end(nil) : .later }
        defer { sent += count }
        return .bytes((sent..<sent + count).map(Self.byte))
    }

    func take(_ bytes: [UInt8]) {
        seen { $0.received += bytes.count }
        if echoes { waiting += bytes }
        port?.wake()
        if consumes { port?.consumed(bytes.count) }
    }

    func headEnded(_ reason: String?) {
        seen { $0.headEnd.append(reason) }
        isOver = true
        port?.wake()
    }

    func close() { seen { $0.isClosed = true } }
}
