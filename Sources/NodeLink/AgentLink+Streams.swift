internal import LinuxSystem
internal import Synchronization

/// Bytes beside the messages: logs, results, layers.
extension AgentLink {
    /// Opens a stream. It ends with its connection at the latest; whoever needs more opens another one.
    /// - Parameter receive: called on the link's thread, in order; must not block. Last of all comes `.end`. Until
    ///   `StreamHandle.consumed` the bytes count against the window, so that a slow consumer stops its sender alone.
    public func open(
        _ request: StreamRequest, on connection: Connection,
        receive: @escaping @Sendable (StreamHandle, StreamEvent) -> Void
    ) throws(LinkError) -> StreamHandle {
        let handle = try outbox.withLock { outbox throws(LinkError) -> StreamHandle in
            guard outbox.stands(connection) else {
                throw LinkError("the connection to the node has ended")
            }
            guard outbox.skills.contains(AgentSkill.streams) else {
                throw LinkError("the node's agent is of an older version, and sends no files")
            }
            let number = try outbox.streams.freeNumber()
            let handle = StreamHandle(self, connection, number, receive)
            try outbox.streams.open(number, handle.queue)
            outbox.handles[number] = handle
            outbox.queue(.stream(number, request))
            return handle
        }
        wake()
        return handle
    }

    func stands(_ connection: Connection) -> Bool { outbox.withLock { $0.stands(connection) } }

    func wake(_ number: UInt16, on connection: Connection) {
        change(on: connection) { $0.streams.wake(number) }
    }

    func end(_ number: UInt16, _ reason: String, on connection: Connection) {
        change(on: connection) { $0.pending += $0.streams.end(number, reason, &$0.writer) }
    }

    func consume(_ count: Int, of number: UInt16, on connection: Connection) {
        let now = Clock.monotonic()
        change(on: connection) {
            $0.pending += $0.streams.consume(count, of: number, at: now, &$0.writer)
        }
    }

    /// Wakes the thread where there is something new for it to write.
    private func change(on connection: Connection, _ body: (inout Outbox) -> Void) {
        let isNews = outbox.withLock { outbox -> Bool in
            guard outbox.stands(connection) else { return false }
            let (hadBulk, hadMessages) = (outbox.streams.hasWork, !outbox.pending.isEmpty)
            body(&outbox)
            return !hadBulk && outbox.streams.hasWork || !hadMessages && !outbox.pending.isEmpty
        }
        if isNews { wake() }
    }

    // MARK: On the link's thread

    var hasBulk: Bool { outbox.withLock { $0.streams.hasWork } }

    /// One frame of a stream, numbered as the next to be written; so nothing may wait in front of it. Messages that came since go
    /// first.
    func takeBulk() -> [UInt8] {
        outbox.withLock { outbox in
            guard outbox.pending.isEmpty else {
                defer { outbox.pending = [] }
                return outbox.pending
            }
            return outbox.streams.next(&outbox.writer)
        }
    }

    func take(_ frame: Frame) throws(LinkError) {
        let (handle, event) = try outbox.withLock {
            outbox throws(LinkError) -> (StreamHandle?, StreamEvent?) in
            let event = try outbox.streams.take(frame)
            let handle = outbox.handles[frame.stream]
            if case .end? = event { outbox.handles[frame.stream] = nil }
            return (handle, event)
        }
        switch event {
        case .data?: if let handle, let event { handle.receive(handle, event) }
        case .end(let reason)?: handle?.hasEnded(reason)
        case nil: break
        }
    }

    /// The connection has ended, and its streams with it.
    func endStreams(_ reason: String) {
        let handles = outbox.withLock { outbox in
            outbox.isOpen = false
            defer {
                outbox.handles = [:]
                outbox.streams = StreamTable(isHead: true)
            }
            return Array(outbox.handles.values)
        }
        for handle in handles { handle.hasEnded(reason) }
    }
}
