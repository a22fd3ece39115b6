internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// Carries a delivery's bytes between the head and the process that takes the image in, on the agent's loop. What that process has
/// no room for yet is not consumed, so that the head waits; the process sees the end of its input with the stream's, and ends by
/// itself.
final class IntakeStream: AgentStream {
    private let loop: EventLoop
    private let socket: Int32
    private var port: StreamPort?
    /// From the head, not yet taken by the process.
    private var toProcess: [UInt8] = []
    private var toHead: [UInt8] = []
    private var isHeadDone = false
    private var isProcessDone = false
    private var isClosed = false

    /// More waits in the process: it says little, and nothing for long.
    private static let mostToHead = 1 << 20

    /// Starts `arguments`. Its parent need not reap it where SIGCHLD is ignored.
    init(_ arguments: [String], _ loop: EventLoop) throws(SystemError) {
        self.loop = loop
        let pair = try UnixSocket.pair(.stream)
        try pair.first.setNonBlocking()
        try AttachedCommand.start(arguments, stdio: pair.second.raw, errors: 2)
        let (ours, theirs) = pair.release()
        Glibc.close(theirs)
        socket = ours
    }

    deinit { if !isClosed { Glibc.close(socket) } }

    func begin(_ port: StreamPort) {
        self.port = port
        do throws(SystemError) {
            try loop.watch(socket, for: .read) { [unowned self] ready in self.ready(ready) }
        } catch {
            note("an image cannot be taken in: \(error)")
            isProcessDone = true
        }
    }

    func next(_ limit: Int) -> StreamPiece {
        guard !toHead.isEmpty else { return isProcessDone ? .end(nil) : .later }
        let piece = Array(toHead.prefix(limit))
        toHead.removeFirst(piece.count)
        if toHead.isEmpty { attend() }
        return .bytes(piece)
    }

    func take(_ bytes: [UInt8]) {
        toProcess += bytes
        flush()
    }

    func headEnded(_ reason: String?) {
        isHeadDone = true
        // What is cut off is of no use.
        if reason != nil { toProcess = [] }
        flush()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.forget(socket)
        Glibc.close(socket)
    }

    // MARK: The process

    private func ready(_ ready: EventLoop.Ready) {
        if ready.contains(.write) { flush() }
        if !ready.isDisjoint(with: [.read, .hangup]), !isProcessDone { receive() }
        port?.wake()
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        do throws(SystemError) {
            while toHead.count < Self.mostToHead {
                guard let (count, _) = try UnixSocket.receive(socket, into: &buffer) else { break }
                if count == 0 { return processEnded() }
                toHead += buffer[..<count]
            }
        } catch { return processEnded() }
        attend()
    }

    private func processEnded() {
        isProcessDone = true
        toProcess = []
        loop.forget(socket)
    }

    private func flush() {
        guard !isClosed, !isProcessDone else { return discard() }
        var sent = 0
        do throws(SystemError) {
            while sent < toProcess.count {
                let piece = Array(toProcess[sent..<min(toProcess.count, sent + 1 << 18)])
                guard let count = try UnixSocket.send(socket, piece) else { break }
                sent += count
            }
        } catch { return discard() }
        toProcess.removeFirst(sent)
        if sent > 0 { port?.consumed(sent) }
        if toProcess.isEmpty, isHeadDone { shutdown(socket, Int32(SHUT_WR)) }
        attend()
    }

    /// Nobody takes it any more.
    private func discard() {
        let count = toProcess.count
        toProcess = []
        if count > 0 { port?.consumed(count) }
    }

    private func attend() {
        guard !isClosed, !isProcessDone else { return }
        var interest: EventLoop.Ready = []
        if toHead.count < Self.mostToHead { interest.insert(.read) }
        if !toProcess.isEmpty { interest.insert(.write) }
        // A descriptor that is watched already can be changed.
        try? loop.change(socket, to: interest)
    }
}
