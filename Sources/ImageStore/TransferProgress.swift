internal import Layers
internal import OCISpec
internal import Registry
internal import Threads

/// How far one blob or document is on its way from one place to another. Told at most about ten times a second, and
/// whenever its state is another; one after the other.
public struct TransferProgress: Sendable, Hashable, Codable {
    public enum State: String, Sendable, Codable {
        case waiting
        /// On its way here from a registry.
        case fetching
        case sending
        /// It was there already.
        case present
        /// The registry took it over from another repository.
        case mounted
        case sent
    }
    /// Where it goes.
    public var target: String
    public var digest: String
    public var state: State
    /// Bytes of it that have gone, in this state.
    public var bytesDone: Int64
    public var bytesTotal: Int64
    /// Whether it is a manifest or an index: they go last.
    public var isDocument: Bool
}

/// What is known of one blob on its way: set by who carries it, read by who tells of it.
final class BlobMeter: Sendable {
    struct Reading: Sendable, Equatable {
        var state = TransferProgress.State.waiting
        var bytes: Int64 = 0
    }
    private struct State: Sendable {
        var reading = Reading()
        var count: (@Sendable () -> Int64)?
    }
    private let state = Monitor(State())

    /// `count` is asked for the bytes until the next change.
    func become(_ new: TransferProgress.State, _ count: @escaping @Sendable () -> Int64 = { 0 }) {
        state.quietly { $0 = State(reading: Reading(state: new), count: count) }
    }

    var reading: Reading {
        let (reading, count) = state.quietly { ($0.reading, $0.count) }
        return Reading(state: reading.state, bytes: count?() ?? 0)
    }
}
