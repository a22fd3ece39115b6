internal import LinuxSystem
package import OCISpec
internal import Threads

/// Hashes the two byte streams of one layer, as it came and uncompressed, on a thread of its own.
///
/// The buffers are lent: whoever hands one over waits with `wait(until:of:)` before it writes to it again.
package final class HashLane: Sendable {
    enum Stream: Int, Sendable { case compressed, archive }
    struct Piece: @unchecked Sendable {
        // @unchecked: the lender leaves the bytes alone until the lane has counted the piece as hashed.
        let stream: Stream
        let bytes: UnsafeRawBufferPointer
    }
    private struct State: Sendable {
        var queue: [Piece] = []
        /// Pieces hashed of each stream.
        var hashed = [0, 0]
        var isClosed = false
        var digests: (compressed: Digest, archive: Digest)?
    }
    private let state = Monitor(State())

    package init() throws(LayerError) {
        do throws(SystemError) {
            _ = try WorkerThread("hash") { [state] in Self.run(state) }
        } catch {
            throw LayerError(system: error.errno, error.step)
        }
    }

    func submit(_ stream: Stream, _ bytes: UnsafeRawBufferPointer) {
        state.withLock { $0.queue.append(Piece(stream: stream, bytes: bytes)) }
    }

    /// Waits until `count` pieces of the stream have been hashed.
    func wait(until count: Int, of stream: Stream) {
        state.wait { $0.hashed[stream.rawValue] >= count ? true : nil }
    }

    /// Ends the lane; the digests of both streams. May be called again.
    package func finish() -> (compressed: Digest, archive: Digest) {
        state.withLock { $0.isClosed = true }
        return state.wait { $0.digests }
    }

    private static func run(_ state: Monitor<State>) {
        var compressed = SHA256Sum()
        var archive = SHA256Sum()
        while true {
            let pieces: [Piece] = state.wait { state in
                if state.queue.isEmpty { return state.isClosed ? [] : nil }
                defer { state.queue.removeAll(keepingCapacity: true) }
                return state.queue
            }
            if pieces.isEmpty { break }
            for piece in pieces {
                switch piece.stream {
                case .compressed: compressed.update(piece.bytes)
                case .archive: archive.update(piece.bytes)
                }
                state.withLock { $0.hashed[piece.stream.rawValue] += 1 }
            }
        }
        let digests = (compressed.finish(), archive.finish())
        state.withLock { $0.digests = digests }
    }
}
