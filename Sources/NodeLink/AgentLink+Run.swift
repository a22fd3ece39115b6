internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// What the link's thread does.
extension AgentLink {
    /// Milliseconds.
    static let longestPause: Int64 = 5000
    /// How long an agent may take from its start to its socket, before another is started. One too many ends by itself,
    /// so it is short: an agent that was killed while it started is replaced soon.
    static let agentStart: Int64 = 500

    var isClosed: Bool { outbox.withLock { $0.isClosed } }

    func run() {
        if case .ssh(let ssh) = transport { return keep(ssh) }
        // Connections in a row that ended before a hello, and starts that failed.
        var failures = 0
        var startedAt: Int64?
        while !isClosed {
            do {
                try connect { (failures, startedAt) = (0, nil) }
            } catch let error as SystemError where isNobodyThere(error) {
                let now = Clock.monotonic()
                if now - (startedAt ?? .min / 2) < Self.agentStart {
                    rest(min(10, now - (startedAt ?? now) + 1))
                    continue
                }
                startedAt = startsAgent() ? now : nil
                if startedAt != nil { continue }
            } catch {
                if !isClosed { deliver(.disconnected("\(error)")) }
                // Whoever accepted that connection has gone, and may have to be started again.
                startedAt = nil
            }
            failures += 1
            rest(min(5 << Int64(min(failures, 20)), Self.longestPause))
        }
    }

    private func startsAgent() -> Bool {
        do {
            try startAgent()
            return true
        } catch {
            deliver(.disconnected("the agent does not start: \(error)"))
            return false
        }
    }

    /// The socket is missing, or its process is.
    private func isNobodyThere(_ error: SystemError) -> Bool {
        error.step == "connect" && [ENOENT, ECONNREFUSED].contains(error.errno)
    }

    /// Up to `milliseconds`; shorter where the link is closed.
    func rest(_ milliseconds: Int64) {
        // What woke the thread for a connection that has ended must not keep it awake now.
        drainWakes()
        let isHurried = outbox.withLock { outbox in
            defer { outbox.isHurried = false }
            return outbox.isHurried
        }
        if !isClosed, !isHurried { awaitWake(milliseconds) }
    }

    func awaitWake(_ milliseconds: Int64) {
        var poller = pollfd(fd: wakeReader.raw, events: Int16(POLLIN), revents: 0)
        _ = poll(&poller, 1, Int32(clamping: milliseconds))
    }

    func drainWakes() {
        var byte = [UInt8](repeating: 0, count: 1)
        // Empty is the end of it.
        while let got = try? UnixSocket.receive(wakeReader.raw, into: &byte), got.count > 0 {}
        // After that: who comes between finds it set, and what it has queued is looked at next.
        outbox.withLock { $0.isWoken = false }
    }

    private func connect(onHello: () -> Void) throws {
        switch transport {
        case .socket(let path):
            let socket = try UnixSocket.connect(path, .stream)
            guard try UnixSocket.isSameUser(socket.raw) else {
                throw LinkError("\(path) belongs to somebody else")
            }
            try serve(socket.raw, errors: nil, onHello)
        case .command(let arguments):
            let command = try AttachedCommand(arguments)
            try serve(command.stdio.raw, errors: command.errors.raw, onHello)
            command.finish(within: 3000)
        case .ssh: break
        }
    }

    /// - Parameter come: what has come of the agent's side already.
    func serve(_ socket: Int32, errors: Int32?, come: [UInt8] = [], _ onHello: () -> Void) throws {
        var stream = LinkStream(socket, errors: errors, come: come)
        try stream.setNonBlocking()
        do {
            try converse(&stream, onHello)
            endStreams("the link is closed")
        } catch {
            // Before anybody is told of the connection's end.
            endStreams("the connection to the node has ended: \(error)")
            throw error
        }
    }

    private func converse(_ stream: inout LinkStream, _ onHello: () -> Void) throws {
        let connection = try outbox.withLock { outbox throws -> Connection in
            outbox.connection += 1
            outbox.writer = FrameWriter()
            outbox.pending = try outbox.writer.message(ToAgent.hello(hello))
            outbox.isOpen = false
            outbox.failure = nil
            return Connection(number: outbox.connection)
        }
        // What has come already makes no descriptor ready.
        try takeFrames(&stream, connection, onHello)
        while true {
            try stream.flush { self.takePending() }
            // A message waits for one such frame at most.
            if stream.takesBulk { try stream.write(takeBulk()) }
            if isClosed, stream.isFlushed { return }
            let ready = stream.wait(or: wakeReader.raw, withBulk: hasBulk)
            drainWakes()
            try tellRefusals()
            if stream.shouldBeat() {
                outbox.withLock { $0.pending += $0.writer.heartbeat() }
            }
            guard ready else {
                try stream.checkAlive()
                continue
            }
            try takeFrames(&stream, connection, onHello)
        }
    }

    /// All that has come.
    private func takeFrames(
        _ stream: inout LinkStream, _ connection: Connection, _ onHello: () -> Void
    ) throws {
        for frame in try stream.receive() {
            switch frame.kind {
            case .message: try take(try frame.decode(FromAgent.self), connection, onHello)
            case .data, .credit, .end: try take(frame)
            case .heartbeat: break
            }
        }
    }

    /// What could not be sent; throws where that ends the connection.
    private func tellRefusals() throws(LinkError) {
        let (refused, failure) = outbox.withLock { outbox in
            defer { outbox.refused = [] }
            return (outbox.refused, outbox.failure)
        }
        if !refused.isEmpty { deliver(.message(.exited(refused))) }
        if let failure { throw failure }
    }

    private func takePending() -> [UInt8] {
        outbox.withLock { outbox in
            defer { outbox.pending = [] }
            return outbox.pending
        }
    }

    private func take(_ message: FromAgent, _ connection: Connection, _ onHello: () -> Void) throws
    {
        if case .refused(let reason) = message {
            throw LinkProblem(
                .refusedByAgent, LinkProblem.neutralised(reason),
                remedy:
                    "remove the node there, or add it here with --take-over, which ends what runs there"
            )
        }
        guard case .hello(let hello) = message else {
            guard outbox.withLock({ $0.isOpen }) else {
                throw LinkError("a message before the hello")
            }
            return deliver(.message(message))
        }
        guard hello.protocolVersion == HeadHello.protocolVersion else {
            throw LinkError(
                "the agent speaks version \(hello.protocolVersion) of the protocol, this is \(HeadHello.protocolVersion)"
            )
        }
        if isOutdated(hello) { throw AgentReplacement() }
        onHello()
        outbox.withLock { outbox in
            outbox.isOpen = true
            outbox.problem = nil
            outbox.skills = hello.skills ?? []
        }
        deliver(.connected(hello, connection))
    }
}
