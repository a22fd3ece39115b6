internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Synchronization

/// The head's end of a line to one node. A message is sent on the connection whose hello it was decided after, or not at all.
struct NodeLine: Sendable {
    enum Event: Sendable {
        /// The number names the connection.
        case connected(AgentHello, Int)
        case message(FromAgent)
        case disconnected(String)
    }
    typealias Receiver = @Sendable (StreamHandle, StreamEvent) -> Void
    let send: @Sendable (ToAgent, Int) -> Void
    /// The same, and it waits for what is sent next, or for `sendQueued`.
    let queue: @Sendable (ToAgent, Int) -> Void
    let sendQueued: @Sendable () -> Void
    /// Opens a stream of bytes, `AgentLink.open`.
    let open: @Sendable (StreamRequest, Int, @escaping Receiver) throws(LinkError) -> StreamHandle
    /// Whether the node has tasks of ours: it is then looked for more often.
    let hasTasks: @Sendable (Bool) -> Void
    /// Lets what was sent go out, then ends.
    let close: @Sendable () -> Void

    init(
        send: @escaping @Sendable (ToAgent, Int) -> Void,
        queue: (@Sendable (ToAgent, Int) -> Void)? = nil,
        sendQueued: @escaping @Sendable () -> Void = {},
        open:
            @escaping @Sendable (StreamRequest, Int, @escaping Receiver) throws(LinkError) ->
            StreamHandle = { _, _, _ throws(LinkError) in throw LinkError("no streams here") },
        hasTasks: @escaping @Sendable (Bool) -> Void = { _ in },
        close: @escaping @Sendable () -> Void
    ) {
        self.hasTasks = hasTasks
        self.send = send
        self.queue = queue ?? send
        self.sendQueued = sendQueued
        self.open = open
        self.close = close
    }

    /// A line to an agent on this machine, which is started where none runs.
    init(
        agentAt socket: String, log: String, hello: HeadHello,
        deliver: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        let box = ConnectionBox()
        try self.init(box, deliver) { deliver throws(SystemError) in
            try AgentLink(
                .socket(socket), hello: hello,
                startAgent: {
                    // One that was told to end is not to be missed.
                    guard !box.isEnding else {
                        throw SystemError("start", "agent", errno: ECANCELED)
                    }
                    try Daemon.start([try Daemon.sibling("martlet-agent"), "serve"], log: log)
                }, deliver: deliver)
        }
    }

    /// A line to a machine that ssh reaches.
    init(
        _ ssh: OpenSSH, hello: HeadHello, deliver: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        try self.init(ConnectionBox(), deliver) { deliver throws(SystemError) in
            try AgentLink(.ssh(ssh), hello: hello, deliver: deliver)
        }
    }

    private init(
        _ box: ConnectionBox, _ deliver: @escaping @Sendable (Event) -> Void,
        _ make: (@escaping @Sendable (AgentLink.Event) -> Void) throws(SystemError) -> AgentLink
    ) throws(SystemError) {
        let link = try make { event in
            switch event {
            case .connected(let hello, let connection):
                deliver(.connected(hello, box.add(connection)))
            case .message(let message): deliver(.message(message))
            case .disconnected(let reason): deliver(.disconnected(reason))
            }
        }
        try link.start()
        self.init(
            send: { message, number in
                if case .shutdown = message { box.end() }
                if let connection = box[number] { link.send(message, on: connection) }
            },
            queue: { message, number in
                if let connection = box[number] {
                    link.send(message, on: connection, isLast: false)
                }
            }, sendQueued: { link.sendQueued() },
            open: { request, number, receive throws(LinkError) in
                guard let connection = box[number] else {
                    throw LinkError("the connection to the node has ended")
                }
                return try link.open(request, on: connection, receive: receive)
            }, hasTasks: { link.hasTasks($0) }, close: { link.close() })
    }
}

/// The latest connection by the number that this server gave it.
private final class ConnectionBox: Sendable {
    private let latest = Mutex<(number: Int, connection: AgentLink.Connection)?>(nil)

    func add(_ connection: AgentLink.Connection) -> Int {
        latest.withLock { latest in
            let number = (latest?.number ?? 0) + 1
            latest = (number, connection)
            return number
        }
    }

    private let ending = Mutex(false)
    /// Whether the agent was told to end.
    var isEnding: Bool { ending.withLock { $0 } }
    func end() { ending.withLock { $0 = true } }

    subscript(number: Int) -> AgentLink.Connection? {
        latest.withLock { $0?.number == number ? $0?.connection : nil }
    }
}
