internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// The agent's end of one connection to a head, on the agent's loop. Writing never blocks: what the socket does not take
/// waits here. A head that is silent for too long is taken for gone.
final class HeadSession {
    private let fd: Int32
    private let loop: EventLoop
    private let onMessage: (HeadSession, ToAgent) -> Void
    private let onEnd: (HeadSession) -> Void
    private var reader = FrameReader()
    private var writer = FrameWriter()
    private var unsent: [UInt8] = []
    private var isClosed = false
    /// The loop says when there is room again.
    private var isAwaitingRoom = false
    private var lastHeard = Clock.monotonic()
    private var timer: UInt64 = 0

    /// Owns `fd` from now on, unless it throws.
    init(
        _ fd: Int32, _ loop: EventLoop, onMessage: @escaping (HeadSession, ToAgent) -> Void,
        onEnd: @escaping (HeadSession) -> Void
    ) throws(SystemError) {
        self.fd = fd
        self.loop = loop
        self.onMessage = onMessage
        self.onEnd = onEnd
        let flags = try checkErrno(fcntl(fd, F_GETFL), "fcntl(F_GETFL)")
        try checkErrno(fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL)")
        try loop.watch(fd, for: .read) { [unowned self] ready in self.ready(ready) }
        beatLater()
    }

    func send(_ message: FromAgent) {
        guard !isClosed else { return }
        do {
            try send(writer.message(message))
        } catch {
            // The head asks for everything again when it comes back.
            note("a message cannot be sent: \(error)")
            end()
        }
    }

    private func send(_ bytes: [UInt8]) {
        let wasEmpty = unsent.isEmpty
        unsent += bytes
        if wasEmpty { flush() }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.cancel(timer)
        loop.forget(fd)
        Glibc.close(fd)
    }

    private func end() {
        guard !isClosed else { return }
        close()
        onEnd(self)
    }

    private func beatLater() {
        timer = loop.after(Heartbeat.interval) { [unowned self] in
            guard Clock.monotonic() - self.lastHeard < Heartbeat.patience else { return self.end() }
            // What waits already will say that we live.
            if self.unsent.isEmpty { self.send(self.writer.heartbeat()) }
            if !self.isClosed { self.beatLater() }
        }
    }

    private func ready(_ ready: EventLoop.Ready) {
        if ready.contains(.write) { flush() }
        if !ready.isDisjoint(with: [.read, .hangup]), !isClosed { receive() }
    }

    private func flush() {
        do throws(SystemError) {
            while !unsent.isEmpty {
                guard let sent = try UnixSocket.send(fd, Array(unsent.prefix(1 << 18))) else {
                    return try awaitRoom(true)
                }
                unsent.removeFirst(sent)
            }
            try awaitRoom(false)
        } catch { end() }
    }

    private func awaitRoom(_ isNeeded: Bool) throws(SystemError) {
        guard isNeeded != isAwaitingRoom else { return }
        try loop.change(fd, to: isNeeded ? [.read, .write] : .read)
        isAwaitingRoom = isNeeded
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        do {
            while !isClosed, let (count, _) = try UnixSocket.receive(fd, into: &buffer) {
                guard count > 0 else { return end() }
                lastHeard = Clock.monotonic()
                reader.append(buffer[..<count])
                while !isClosed, let frame = try reader.next() {
                    if frame.kind == .message { onMessage(self, try frame.decode(ToAgent.self)) }
                }
                if count < buffer.count { break }
            }
        } catch {
            if !(error is SystemError) { note("a head cannot be understood: \(error)") }
            end()
        }
    }
}
