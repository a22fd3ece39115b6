internal import NodeLink
internal import OCISpec
internal import Threads

/// Which node gets a blob from which, among those that take it in at the same time.
final class DeliveryChains: Sendable {
    func join(_ node: String, _ address: PeerAddress) {}

    /// The node has all that it wants: `end` is called once nobody gets anything from it any more.
    func leave(_ node: String, _ end: @escaping @Sendable () -> Void) { end() }

    func forget(_ node: String) {}
}
