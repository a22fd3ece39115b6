/// The head's end of one stream. Any thread may use it; `write` may wait.
public final class StreamHandle: Sendable {
    let number: UInt16
    let queue = StreamQueue()
    let receive: @Sendable (StreamHandle, StreamEvent) -> Void
    private let link: AgentLink
    private let connection: AgentLink.Connection

    init(
        _ link: AgentLink, _ connection: AgentLink.Connection, _ number: UInt16,
        _ receive: @escaping @Sendable (StreamHandle, StreamEvent) -> Void
    ) {
        self.link = link
        self.connection = connection
        self.number = number
        self.receive = receive
    }

    /// Queues bytes, and waits for room where 256 KiB are queued already. Throws where the stream has ended.
    /// Not on a thread of Swift's pool, and not on the link's own, which makes the room.
    public func write(_ bytes: [UInt8]) throws(LinkError) {
        try queue.put(bytes)
        link.wake(number, on: connection)
    }

    /// The agent sees the end of what is written, after the last byte of it. The stream stands until the agent ends it.
    public func finish() {
        queue.finish()
        link.wake(number, on: connection)
    }

    /// The agent is to stop, whatever is left. What comes until it has is still delivered, and then the end.
    public func cancel(_ reason: String = "it is of no more interest") {
        queue.fail(reason)
        link.end(number, reason, on: connection)
    }

    /// False once its connection has ended: then that, and nothing that the node said, was the stream's end.
    public var isConnected: Bool { link.stands(connection) }

    /// So many bytes that were received take no memory here any more, and as many new ones may come.
    public func consumed(_ count: Int) { link.consume(count, of: number, on: connection) }

    /// The stream is no more; `queue` first, so that whoever is told does not write in vain.
    func hasEnded(_ reason: String?) {
        queue.fail(reason ?? "this stream has ended")
        receive(self, .end(reason))
    }
}
