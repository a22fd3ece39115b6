internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Threads

/// The blobs of one image, each asked for when its turn has come, and those that are on their way.
final class ChunkSupply: BlobSupply {
    private struct State: Sendable {
        var arrivals: [Digest: ChunkArrival] = [:]
        /// Who gave bytes of each blob that turned out not to be its.
        var suspects: [Digest: Set<String>] = [:]
        /// Why nothing more comes.
        var failure: BlobFailure?
    }
    private let state = Monitor(State())
    private let ask: @Sendable (ChunkArrival, _ without: Set<String>) -> Void

    /// - Parameter ask: has what the arrival lacks come, but not from those named; does not wait.
    init(ask: @escaping @Sendable (ChunkArrival, _ without: Set<String>) -> Void) {
        self.ask = ask
    }

    func open() {}
    func close() {}
    func file(_ layer: Descriptor) -> OwnedFD? { nil }

    func begin(_ layer: Descriptor, in file: Int32) -> any BlobArrival {
        let arrival = ChunkArrival(layer, in: file)
        let (failure, suspects) = state.withLock { state in
            let former = state.arrivals.updateValue(arrival, forKey: layer.digest)
            // Where it began with what an earlier intake left, that may have been wrong.
            if let former, former.resumed == 0 {
                state.suspects[layer.digest, default: []].formUnion(former.sources)
            }
            return (state.failure, state.suspects[layer.digest] ?? [])
        }
        if let failure {
            arrival.fail(failure)
        } else if arrival.received < layer.size {
            ask(arrival, suspects)
        }
        return arrival
    }

    subscript(digest: Digest) -> ChunkArrival? { state.quietly { $0.arrivals[digest] } }

    /// Ends all that is on its way, and all that would be.
    func fail(_ failure: BlobFailure) {
        let arrivals = state.withLock { state in
            if state.failure == nil { state.failure = failure }
            return Array(state.arrivals.values)
        }
        for arrival in arrivals { arrival.fail(failure) }
    }
}
