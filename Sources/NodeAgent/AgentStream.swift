internal import NodeLink

/// The agent's end of one stream, on the agent's loop: serves what the head opened it for. Nothing in it may block.
protocol AgentStream: AnyObject {
    /// First of all.
    func begin(_ port: StreamPort)
    /// What is sent next; see `StreamSource.next`. Must not call its port. After `.end` nothing is asked or told any more.
    func next(_ limit: Int) -> StreamPiece
    /// What the head sent. `StreamPort.consumed` once it takes no memory here.
    func take(_ bytes: [UInt8])
    /// The head sends no more: nil where that was all; else it wants no more either, and the stream ends here and now.
    func headEnded(_ reason: String?)
    /// Ended on this side, or with the connection.
    func close()
}

extension AgentStream {
    func begin(_ port: StreamPort) {}
    func take(_ bytes: [UInt8]) {}
    func close() {}
}

/// How a stream makes itself heard. Does nothing once the connection has ended.
struct StreamPort {
    weak var session: HeadSession?
    let number: UInt16

    /// `next` has something again, its end included.
    func wake() { session?.wake(number) }
    func consumed(_ count: Int) { session?.consumed(count, of: number) }
}

/// One as the connection's table asks it.
struct StreamEnd: StreamSource {
    let stream: any AgentStream
    func next(_ limit: Int) -> StreamPiece { stream.next(limit) }
}

/// Ends at once, and says why.
final class RefusedStream: AgentStream {
    private let reason: String
    init(reason: String) { self.reason = reason }
    func next(_ limit: Int) -> StreamPiece { .end(reason) }
    func headEnded(_ reason: String?) {}
}
