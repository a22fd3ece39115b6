internal import Glibc
internal import JobModel
public import LinuxSystem
internal import Synchronization

/// The head's end of the link to one agent: connects, says hello, delivers what comes in order, and connects again for as
/// long as it lives. Works on a thread of its own; `send` never blocks.
public final class AgentLink: Sendable {
    public enum Event: Sendable {
        case connected(AgentHello)
        case message(FromAgent)
        /// Nothing more comes from this connection; the next one is being tried.
        case disconnected(String)
    }

    private struct Outbox {
        var pending: [UInt8] = []
        var writer = FrameWriter()
        var isConnected = false
        var isClosed = false
    }

    private let socketPath: String
    private let head: String
    private let startAgent: @Sendable () throws -> Void
    private let deliver: @Sendable (Event) -> Void
    private let outbox = Mutex(Outbox())
    /// Written to wake the thread: there is something to send, or the link is closed.
    private let wakeReader: OwnedFD
    private let wakeWriter: OwnedFD

    /// - Parameters:
    ///   - startAgent: called on the link's thread where nobody listens on the socket; may throw, then it is tried again.
    ///   - deliver: called on the link's thread, in order.
    public init(
        socketPath: String, head: String, startAgent: @escaping @Sendable () throws -> Void,
        deliver: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        self.socketPath = socketPath
        self.head = head
        self.startAgent = startAgent
        self.deliver = deliver
        let (reader, writer) = try UnixSocket.pair(.messages).release()
        wakeReader = OwnedFD(reader)
        wakeWriter = OwnedFD(writer)
        try wakeReader.setNonBlocking()
        try wakeWriter.setNonBlocking()
    }

    /// Starts the thread, which keeps the link alive until `close`.
    public func start() throws(SystemError) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self)
        let error = pthread_create(
            &thread, nil,
            { box in
                if let box { Unmanaged<AgentLink>.fromOpaque(box).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        guard error == 0 else {
            box.release()
            throw SystemError("pthread_create", errno: error)
        }
        pthread_detach(thread)
    }

    /// Queues a message for the connection that stands; without one it is dropped: the next hello tells what to send again.
    public func send(_ message: ToAgent) {
        let queued = outbox.withLock { outbox -> Bool in
            guard outbox.isConnected, !outbox.isClosed else { return false }
            // Our own messages encode; one that did not would be missed and sent again after the next hello.
            guard let bytes = try? outbox.writer.message(message) else { return false }
            outbox.pending += bytes
            return true
        }
        if queued { wake() }
    }

    /// Ends the thread after what is queued has been written.
    public func close() {
        outbox.withLock { $0.isClosed = true }
        wake()
    }

    private func wake() {
        // A full socket is a wake-up that has not been read yet.
        _ = try? UnixSocket.send(wakeWriter.raw, [1])
    }

    private var isClosed: Bool { outbox.withLock { $0.isClosed } }

    // MARK: The thread

    private func run() {
        var pause: Int32 = 5
        while !isClosed {
            do {
                try connectAndServe()
                pause = 5
            } catch let error as SystemError where [ENOENT, ECONNREFUSED].contains(error.errno) {
                if pause == 5 || pause >= 500 {
                    do { try startAgent() } catch {
                        deliver(.disconnected("the agent does not start: \(error)"))
                    }
                }
                waitForWake(pause)
                pause = min(pause * 2, 2000)
            } catch {
                deliver(.disconnected("\(error)"))
                waitForWake(50)
            }
        }
    }

    private func waitForWake(_ milliseconds: Int32) {
        var poller = pollfd(fd: wakeReader.raw, events: Int16(POLLIN), revents: 0)
        _ = poll(&poller, 1, milliseconds)
    }

    private func connectAndServe() throws {
        let socket = try UnixSocket.connect(socketPath, .stream)
        guard try UnixSocket.isSameUser(socket.raw) else {
            throw LinkError("\(socketPath) belongs to somebody else")
        }
        try socket.setNonBlocking()
        outbox.withLock { outbox in
            outbox.pending = []
            outbox.writer = FrameWriter()
            outbox.isConnected = true
        }
        send(.hello(HeadHello(head: head)))
        defer { outbox.withLock { $0.isConnected = false } }
        var reader = FrameReader()
        var unsent: ArraySlice<UInt8> = []
        var saidHello = false
        while true {
            try flush(socket.raw, &unsent)
            if isClosed, unsent.isEmpty { return }
            var pollers = [
                pollfd(
                    fd: socket.raw, events: Int16(POLLIN) | (unsent.isEmpty ? 0 : Int16(POLLOUT)),
                    revents: 0),
                pollfd(fd: wakeReader.raw, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&pollers, 2, -1)
            drainWake()
            guard pollers[0].revents != 0 else { continue }
            guard try receive(socket.raw, &reader) else { throw LinkError("the agent has gone") }
            while let frame = try reader.next() {
                guard frame.kind == .message else { continue }
                let message = try frame.decode(FromAgent.self)
                if case .hello(let hello) = message {
                    guard hello.protocolVersion == HeadHello.protocolVersion else {
                        throw LinkError(
                            "the agent speaks version \(hello.protocolVersion) of the protocol, this is \(HeadHello.protocolVersion)"
                        )
                    }
                    saidHello = true
                    deliver(.connected(hello))
                } else if saidHello {
                    deliver(.message(message))
                } else {
                    throw LinkError("a message before the hello")
                }
            }
        }
    }

    private func drainWake() {
        var byte = [UInt8](repeating: 0, count: 1)
        // Empty is the end of it.
        while let got = try? UnixSocket.receive(wakeReader.raw, into: &byte), got.count > 0 {}
    }

    private func flush(_ socket: Int32, _ unsent: inout ArraySlice<UInt8>) throws(SystemError) {
        while true {
            if unsent.isEmpty {
                unsent = outbox.withLock { outbox in
                    defer { outbox.pending = [] }
                    return outbox.pending[...]
                }
            }
            guard !unsent.isEmpty else { return }
            guard let sent = try UnixSocket.send(socket, Array(unsent.prefix(1 << 18))) else {
                return
            }
            unsent = unsent.dropFirst(sent)
        }
    }

    /// False at the end of the connection.
    private func receive(_ socket: Int32, _ reader: inout FrameReader) throws(SystemError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while let (count, _) = try UnixSocket.receive(socket, into: &buffer) {
            guard count > 0 else { return false }
            reader.append(buffer[..<count])
            if count < buffer.count { break }
        }
        return true
    }
}
