internal import Glibc
internal import JobModel
public import LinuxSystem
internal import Synchronization

/// The head's end of the link to one agent: connects, says hello, delivers what comes in order, and connects again for as
/// long as it lives. Works on a thread of its own; `send` never blocks.
public final class AgentLink: Sendable {
    public enum Transport: Sendable {
        /// The socket of an agent on this machine.
        case socket(String)
        /// A program whose stdin and stdout reach the agent: `martlet-agent stdio`, or ssh with that behind it.
        case command([String])
        /// A node by the system's ssh(1), which gets our programs where it lacks them.
        case ssh(OpenSSH)
    }

    /// Names one connection. What was decided before its hello was read must not be sent on it: the agent's hello does not
    /// know of it, and it would be taken for never started.
    public struct Connection: Hashable, Sendable {
        let number: UInt64
    }

    public enum Event: Sendable {
        /// All that the node knows. Whoever has taken that in sends on this connection from now on.
        case connected(AgentHello, Connection)
        case message(FromAgent)
        /// Why nothing more comes from this connection, or why there is none; the next one is being tried.
        case disconnected(String)
    }

    struct Outbox {
        var pending: [UInt8] = []
        var writer = FrameWriter()
        /// Counts connections; sending on an older one does nothing.
        var connection: UInt64 = 0
        /// The agent's hello has been delivered.
        var isOpen = false
        var isClosed = false
        /// Tasks that no message can bear: told as not startable, in place of the agent.
        var refused: [ExitRecord] = []
        /// Why the connection is of no more use.
        var failure: LinkError?
        /// Why there is no connection.
        var problem: LinkProblem?
        /// The node has tasks of ours: it is not left alone for long.
        var isMissed = false
        /// The next connection is tried at once.
        var isHurried = false
        /// The thread has been woken to send what is pending, and has not looked yet.
        var isWoken = false
        /// The hash of the programs that the node is meant to run.
        var programs: String?

        // AgentLink+Streams.swift
        /// Of the agent's hello.
        var skills: [String] = []
        var streams = StreamTable<StreamQueue>(isHead: true)
        var handles: [UInt16: StreamHandle] = [:]

        /// Whether the thread has to be woken. A thousand links wake theirs often: once for all that is pending is enough.
        mutating func takeWake() -> Bool {
            defer { isWoken = true }
            return !isWoken
        }

        func stands(_ connection: Connection) -> Bool {
            isOpen && self.connection == connection.number && !isClosed
        }
    }

    let transport: Transport
    let hello: HeadHello
    let startAgent: @Sendable () throws -> Void
    let deliver: @Sendable (Event) -> Void
    let outbox = Mutex(Outbox())
    /// Written to wake the thread: there is something to send, or the link is closed.
    let wakeReader: OwnedFD
    private let wakeWriter: OwnedFD

    /// - Parameters:
    ///   - hello: the first message on every connection.
    ///   - startAgent: called on the link's thread where nobody listens on the socket; may throw, then it is tried again.
    ///   - deliver: called on the link's thread, in order.
    public init(
        _ transport: Transport, hello: HeadHello,
        startAgent: @escaping @Sendable () throws -> Void = {},
        deliver: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        self.transport = transport
        self.hello = hello
        self.startAgent = startAgent
        self.deliver = deliver
        let (reader, writer) = try UnixSocket.pair(.messages).release()
        wakeReader = OwnedFD(reader)
        wakeWriter = OwnedFD(writer)
        try wakeReader.setNonBlocking()
        try wakeWriter.setNonBlocking()
    }

    /// `head` names the head's database; see `HeadHello`.
    public convenience init(
        _ transport: Transport, head: String,
        startAgent: @escaping @Sendable () throws -> Void = {},
        deliver: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        try self.init(
            transport, hello: .ofThisProcess(head: head), startAgent: startAgent, deliver: deliver)
    }

    /// Why there is no connection now, where that is known; the text of the last `.disconnected` is of it.
    public var problem: LinkProblem? { outbox.withLock { $0.problem } }

    /// Whether the node has tasks of this head. It is then tried more often where it cannot be reached.
    public func hasTasks(_ hasTasks: Bool) { outbox.withLock { $0.isMissed = hasTasks } }

    /// Somebody waits for this node: the pause before the next try is cut short.
    public func hurry() {
        outbox.withLock { $0.isHurried = true }
        wake()
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

    /// Queues a message. Where `connection` no longer stands it is dropped: the next hello tells what to send again.
    /// Lists are split by the caller, at most `Frame.batch` elements a message, and here where those are long.
    /// - Parameter isLast: whether it goes at once; else it waits for the next one, or for `sendQueued`.
    public func send(_ message: ToAgent, on connection: Connection, isLast: Bool = true) {
        let isNews = outbox.withLock { outbox -> Bool in
            guard outbox.stands(connection) else { return false }
            outbox.queue(message)
            return isLast && outbox.takeWake()
        }
        if isNews { wake() }
    }

    /// Sends what waits.
    public func sendQueued() {
        if outbox.withLock({ !$0.pending.isEmpty && $0.takeWake() }) { wake() }
    }

    /// Ends the thread after what is queued has been written.
    public func close() {
        outbox.withLock { $0.isClosed = true }
        wake()
    }

    func wake() {
        // A full socket is a wake-up that has not been read yet.
        _ = try? UnixSocket.send(wakeWriter.raw, [1])
    }
}
