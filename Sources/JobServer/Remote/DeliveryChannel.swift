public import NodeLink
internal import Threads

/// A delivery's stream to one node, for threads that may wait.
public struct DeliveryChannel: Sendable {
    /// Waits for room. Throws once the stream has ended.
    public let write: @Sendable ([UInt8]) throws(LinkError) -> Void
    /// Waits for bytes; empty at the end. Throws why it ended, where that was no end in order.
    public let read: @Sendable () throws(LinkError) -> [UInt8]
    /// Ends both directions; whoever waits is let go.
    public let close: @Sendable () -> Void

    public init(
        write: @escaping @Sendable ([UInt8]) throws(LinkError) -> Void,
        read: @escaping @Sendable () throws(LinkError) -> [UInt8],
        close: @escaping @Sendable () -> Void
    ) {
        self.write = write
        self.read = read
        self.close = close
    }

    private struct Inbox: Sendable {
        var pieces: [[UInt8]] = []
        var end: String??
    }

    /// Has the node's agent start its intake.
    public static func open(_ link: AgentLink, on connection: AgentLink.Connection)
        throws(LinkError) -> DeliveryChannel
    {
        try open { request, receive throws(LinkError) in
            try link.open(request, on: connection, receive: receive)
        }
    }

    static func open(_ open: NodeFiles.Open, _ request: StreamRequest = .layers)
        throws(LinkError) -> DeliveryChannel
    {
        let inbox = Monitor(Inbox())
        let handle = try open(request) { _, event in
            inbox.withLock { inbox in
                switch event {
                case .data(let bytes): inbox.pieces.append(bytes)
                case .end(let reason): inbox.end = .some(reason)
                }
            }
        }
        return DeliveryChannel(
            write: { bytes throws(LinkError) in try handle.write(bytes) },
            read: { () throws(LinkError) in
                let result: Result<[UInt8], LinkError> = inbox.wait { inbox in
                    if !inbox.pieces.isEmpty { return .success(inbox.pieces.removeFirst()) }
                    guard let end = inbox.end else { return nil }
                    return end.map { .failure(LinkError($0)) } ?? .success([])
                }
                let bytes = try result.get()
                handle.consumed(bytes.count)
                return bytes
            },
            close: {
                handle.cancel()
                inbox.withLock { if $0.end == nil { $0.end = .some(nil) } }
            })
    }
}
