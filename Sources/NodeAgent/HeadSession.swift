internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// The agent's end of one connection to its head, on the agent's loop. Writing never blocks: what the socket does not take
/// waits here.
final class HeadSession {
    private let fd: Int32
    private let loop: EventLoop
    private let onMessage: (ToAgent) -> Void
    private let onEnd: () -> Void
    private var reader = FrameReader()
    private var writer = FrameWriter()
    private var unsent: [UInt8] = []
    private var isClosed = false

    /// Owns `fd` from now on.
    init(
        _ fd: Int32, _ loop: EventLoop, onMessage: @escaping (ToAgent) -> Void,
        onEnd: @escaping () -> Void
    ) throws(SystemError) {
        self.fd = fd
        self.loop = loop
        self.onMessage = onMessage
        self.onEnd = onEnd
        let flags = fcntl(fd, F_GETFL)
        _ = fcntl(fd, F_SETFL, flags | O_NONBLOCK)
        try loop.watch(fd, for: .read) { [unowned self] ready in self.ready(ready) }
    }

    func send(_ message: FromAgent) {
        guard !isClosed else { return }
        // Our own messages encode.
        guard let bytes = try? writer.message(message) else { return end() }
        let wasEmpty = unsent.isEmpty
        unsent += bytes
        if wasEmpty { flush() }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.forget(fd)
        Glibc.close(fd)
    }

    private func end() {
        guard !isClosed else { return }
        close()
        onEnd()
    }

    private func ready(_ ready: EventLoop.Ready) {
        if ready.contains(.write) { flush() }
        if !ready.isDisjoint(with: [.read, .hangup]), !isClosed { receive() }
    }

    private func flush() {
        do throws(SystemError) {
            while !unsent.isEmpty {
                guard let sent = try UnixSocket.send(fd, Array(unsent.prefix(1 << 18))) else {
                    return try loop.change(fd, to: [.read, .write])
                }
                unsent.removeFirst(sent)
            }
            try loop.change(fd, to: .read)
        } catch { end() }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        do {
            while !isClosed, let (count, _) = try UnixSocket.receive(fd, into: &buffer) {
                guard count > 0 else { return end() }
                reader.append(buffer[..<count])
                while !isClosed, let frame = try reader.next() {
                    if frame.kind == .message { onMessage(try frame.decode(ToAgent.self)) }
                }
            }
        } catch { end() }
    }
}
