internal import LinuxSystem
internal import Threads

/// Hands the pieces of an archive from the thread that decodes it to the one that writes its files, so that neither waits for the
/// other's work.
package final class ArchivePipe: Sendable {
    private struct Piece: @unchecked Sendable {
        // @unchecked: its buffer is filled again only after the reader has given it back.
        let bytes: UnsafeRawBufferPointer
    }
    private enum End {
        case whole
        case failed(LayerError)
    }
    private struct State: Sendable {
        var queue: [Piece] = []
        /// Pieces that the reader has taken, and how many of them it has done with.
        var taken = 0
        var used = 0
        var end: End?
        var isLeft = false
    }
    private let state = Monitor(State())

    /// Decodes on this thread what `read` reads on another. Throws what either of them throws.
    package static func run(
        _ source: any Decompressor, _ lane: HashLane,
        _ read: @escaping @Sendable (ArchivePipe) throws(LayerError) -> Void
    ) throws(LayerError) {
        let pipe = ArchivePipe()
        let failure = Monitor<LayerError?>(nil)
        let ring = BufferRing(count: 6, size: 256 << 10, lane: lane, stream: .archive)
        let thread = try startThread {
            defer { pipe.leave() }
            do throws(LayerError) {
                try read(pipe)
            } catch {
                failure.withLock { $0 = error }
            }
        }
        do throws(LayerError) {
            try pipe.fill(from: source, ring)
        } catch {
            thread.join()
            // Who reads may know in which entry that was.
            throw failure.quietly { $0 } ?? error
        }
        thread.join()
        if let failure = failure.quietly({ $0 }) { throw failure }
    }

    private static func startThread(_ body: @escaping @Sendable () -> Void) throws(LayerError)
        -> WorkerThread
    {
        do throws(SystemError) {
            return try WorkerThread("write", body)
        } catch {
            throw LayerError(system: error.errno, error.step)
        }
    }

    /// Decodes to the end, or until nobody reads any more.
    private func fill(from source: any Decompressor, _ ring: BufferRing) throws(LayerError) {
        var count = 0
        do throws(LayerError) {
            while hasRoom(count, ring) {
                let length = try source.read(into: ring.next())
                if length == 0 { break }
                let piece = Piece(bytes: ring.submit(length))
                state.withLock { $0.queue.append(piece) }
                count += 1
            }
            state.withLock { $0.end = .whole }
        } catch {
            state.withLock { $0.end = .failed(error) }
            throw error
        }
    }

    /// Waits until the next buffer of the ring is no longer read; false where nobody will read it.
    private func hasRoom(_ count: Int, _ ring: BufferRing) -> Bool {
        state.wait { state in
            if state.isLeft { return false }
            return state.used > count - ring.count ? true : nil
        }
    }

    /// The next piece, which stays until the next call; empty at the end. Throws what ended the decoding.
    func next() throws(LayerError) -> UnsafeRawBufferPointer {
        state.withLock { $0.used = $0.taken }
        let result: Result<Piece, LayerError> = state.wait { state in
            guard state.queue.isEmpty else {
                state.taken += 1
                return .success(state.queue.removeFirst())
            }
            return switch state.end {
            case nil: nil
            case .whole: .success(Piece(bytes: UnsafeRawBufferPointer(start: nil, count: 0)))
            case .failed(let error): .failure(error)
            }
        }
        return try result.get().bytes
    }

    /// Call when nothing more will be read.
    func leave() { state.withLock { $0.isLeft = true } }
}
