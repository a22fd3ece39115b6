internal import NodeLink
internal import Synchronization

/// The stream over which something was last brought to a node: tells an end of the line from one that the node means.
final class LastStream: Sendable {
    private let stream = Mutex<StreamHandle?>(nil)

    func note(_ stream: StreamHandle) { self.stream.withLock { $0 = stream } }

    /// Its connection has ended.
    var isCut: Bool { stream.withLock { $0 }.map { !$0.isConnected } ?? false }
}
