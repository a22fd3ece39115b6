internal import Glibc
internal import ImageStore
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Registry
internal import Synchronization

/// The two doors to the world that tests put something else behind: the node's agent and the image store.
struct ServerSeams: Sendable {
    /// Opens a line to the local node's agent; what comes is delivered in order, on a thread of the line's own.
    var openNode:
        @Sendable (_ head: String, _ deliver: @escaping @Sendable (NodeLine.Event) -> Void) throws
            -> NodeLine
    /// Brings an image in. Blocks, and tells how far it is.
    var fetchImage:
        @Sendable (String, _ progress: @escaping @Sendable (PullProgress) -> Void)
            throws(ImageError) -> StoredImage
    /// Keeps an image where it is for a job; false where something of it has gone meanwhile. Blocks.
    var holdImage: @Sendable (StoredImage, JobID) throws(ImageError) -> Bool = { _, _ in true }
    var releaseImage: @Sendable (JobID) -> Void = { _ in }
    /// Releases the images of all other jobs.
    var holdNoImagesBut: @Sendable (Set<JobID>) -> Void = { _ in }

    /// `warn` gets what registries want people to know.
    static func local(_ directories: Directories, warn: @escaping @Sendable (String) -> Void)
        -> ServerSeams
    {
        // Credentials, proxies and certificates are those of whoever started the server.
        let read: Result<StoreSettings, ImageError>
        do throws(ImageError) {
            read = .success(try StoreSettings(environment: ProcessEnvironment.all()))
        } catch { read = .failure(error) }
        // What is wrong with them is said of every image that is asked for.
        var settings = (try? read.get()) ?? StoreSettings()
        settings.registry.warn = warn
        let images = ImageStore(dataDirectory: directories.data, settings: settings)
        let user: @Sendable (JobID) -> ImageUser = {
            .job($0.rawValue, stateDirectory: directories.state)
        }
        return ServerSeams(
            openNode: { head, deliver in
                try NodeLine(
                    agentAt: directories.agentSocket, log: directories.run + "/agent.log",
                    head: head, deliver: deliver)
            },
            fetchImage: { reference, progress throws(ImageError) in
                _ = try read.get()
                return try images.ensurePinned(reference, progress: progress)
            },
            holdImage: { image, id throws(ImageError) in
                try images.hold(image, for: user(id))
            },
            releaseImage: { images.release(user($0)) },
            holdNoImagesBut: { jobs in
                images.releaseJobs(of: directories.state, but: Set(jobs.map(\.rawValue)))
            })
    }
}

/// The head's end of a line to one node. A message is sent on the connection whose hello it was decided after, or not at all.
struct NodeLine: Sendable {
    enum Event: Sendable {
        /// The number names the connection.
        case connected(AgentHello, Int)
        case message(FromAgent)
        case disconnected(String)
    }
    let send: @Sendable (ToAgent, Int) -> Void
    /// Lets what was sent go out, then ends.
    let close: @Sendable () -> Void

    init(send: @escaping @Sendable (ToAgent, Int) -> Void, close: @escaping @Sendable () -> Void) {
        self.send = send
        self.close = close
    }

    /// A line to an agent on this machine, which is started where none runs.
    init(
        agentAt socket: String, log: String, head: String,
        deliver: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        let box = ConnectionBox()
        let link = try AgentLink(
            .socket(socket), head: head,
            startAgent: {
                // One that was told to end is not to be missed.
                guard !box.isEnding else { throw SystemError("start", "agent", errno: ECANCELED) }
                try Daemon.start([try Daemon.sibling("martlet-agent"), "serve"], log: log)
            },
            deliver: { event in
                switch event {
                case .connected(let hello, let connection):
                    deliver(.connected(hello, box.add(connection)))
                case .message(let message): deliver(.message(message))
                case .disconnected(let reason): deliver(.disconnected(reason))
                }
            })
        try link.start()
        self.init(
            send: { message, number in
                if case .shutdown = message { box.end() }
                if let connection = box[number] { link.send(message, on: connection) }
            }, close: { link.close() })
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
