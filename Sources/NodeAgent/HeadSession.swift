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
    private var streams = StreamTable<StreamEnd>(isHead: false)
    /// The agent's ends of those, as `streams` holds them, to be told of what comes.
    private var ends: [UInt16: any AgentStream] = [:]
    private var unsent: [UInt8] = []
    private(set) var isClosed = false
    /// The loop says when there is room again.
    private var isAwaitingRoom = false
    private var lastHeard = Clock.monotonic()
    /// The same by the clock that a suspended machine does not stop.
    private(set) var lastWord = Clock.sinceBoot()
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
        let open = ends.values
        ends = [:]
        for stream in open { stream.close() }
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
        if ready.contains(.write) {
            // A message waits for one frame of a stream at most: it is written where the socket is all but empty, and nothing else
            // is there to be said (unix(7): writable is one of whose buffer no more than a quarter is taken).
            if unsent.isEmpty { takeTurn() }
            flush()
        }
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
            try awaitRoom(streams.hasWork)
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
            // Not for as long as something comes: others wait on this loop.
            for _ in 0..<Self.rounds {
                guard !isClosed, let (count, _) = try UnixSocket.receive(fd, into: &buffer) else {
                    return
                }
                guard count > 0 else { return end() }
                lastHeard = Clock.monotonic()
                lastWord = Clock.sinceBoot()
                reader.append(buffer[..<count])
                while !isClosed, let frame = try reader.next() { try take(frame) }
                if count < buffer.count { return }
            }
        } catch {
            if !(error is SystemError) { note("a head cannot be understood: \(error)") }
            end()
        }
    }

    /// Reads of 64 KiB in a row.
    private static let rounds = 4

    private func take(_ frame: Frame) throws(LinkError) {
        switch frame.kind {
        case .message: onMessage(self, try frame.decode(ToAgent.self))
        case .heartbeat: break
        case .data, .credit, .end:
            let event = try streams.take(frame)
            switch event {
            case .data(let bytes)?: ends[frame.stream]?.take(bytes)
            case .end(let reason)?:
                ends[frame.stream]?.headEnded(reason)
                if let reason { give(up: frame.stream, reason) }
            // A credit, which may be what was waited for.
            case nil: flush()
            }
        }
    }

    // MARK: Streams

    /// Takes up what the head has opened.
    func open(_ number: UInt16, _ stream: any AgentStream) {
        do throws(LinkError) {
            try streams.open(number, StreamEnd(stream: stream))
        } catch {
            note("a head cannot be understood: \(error)")
            return end()
        }
        ends[number] = stream
        stream.begin(StreamPort(session: self, number: number))
        flush()
    }

    /// Answers an opening with its end.
    func refuse(_ number: UInt16, _ reason: String) { open(number, RefusedStream(reason: reason)) }

    /// It has something to send again, its end included.
    func wake(_ number: UInt16) {
        streams.wake(number)
        flush()
    }

    func consumed(_ count: Int, of number: UInt16) {
        let credit = streams.consume(count, of: number, at: Clock.monotonic(), &writer)
        if !credit.isEmpty { send(credit) }
    }

    private func takeTurn() {
        guard streams.hasWork else { return }
        unsent += streams.next(&writer)
        for number in ends.keys where !streams.contains(number) {
            ends.removeValue(forKey: number)?.close()
        }
    }

    /// The head wants no more of it, whether or not its window has room for another byte.
    private func give(up number: UInt16, _ reason: String) {
        let end = streams.end(number, reason, &writer)
        if !end.isEmpty { send(end) }
        ends.removeValue(forKey: number)?.close()
    }

    /// Little waits to be written: what is not urgent may be said.
    var isCalm: Bool { unsent.count < 1 << 20 }
}
