internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Threads

/// A blob that comes chunk by chunk, each verified before any of it is in the file; so the file's length tells what is here, also
/// after this process was killed.
final class ChunkArrival: BlobArrival {
    enum Answer: Equatable {
        case taken
        /// It was damaged on its way: what follows `offset` is wanted again.
        case again(offset: Int64)
        /// It is not the next one, as those behind a damaged one are not, or nobody wants it any more.
        case dropped
    }
    private struct State: Sendable {
        var ready: Int64
        var isWriting = false
        var isStopped = false
        var failure: BlobFailure?
        /// Chunks in a row that were damaged.
        var damaged = 0
        /// Who gave any of it, but the head.
        var sources: Set<String> = []
    }
    let blob: Descriptor
    let resumed: Int64
    /// Borrowed until `finish`.
    private let file: Int32
    /// The same for other nodes, who may want it for longer.
    private let shared: Int32
    private let state: Monitor<State>

    /// A blob that comes damaged so often is damaged where it comes from.
    private static let patience = 3

    init(_ blob: Descriptor, in file: Int32) {
        self.blob = blob
        self.file = file
        shared = fcntl(file, F_DUPFD_CLOEXEC, 3)
        var status = stat()
        let length = fstat(file, &status) == 0 ? Int64(status.st_size) : 0
        // What is longer is none of ours: a pull from a registry keeps its notes behind the blob.
        resumed = length <= blob.size ? length : 0
        if length > blob.size { ftruncate(file, 0) }
        state = Monitor(State(ready: resumed))
    }

    deinit { close(shared) }

    var received: Int64 { state.quietly { $0.ready } }

    /// Takes the bytes at `offset`, whose digest is to be `sum`; nil where nobody has told it, and the whole blob's has to tell. Writes,
    /// so it may wait for the disk.
    /// - Parameter source: whom they come from, where that is not the head.
    func take(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, sum: Digest?, from source: String? = nil
    ) -> Answer {
        let isOurs = state.quietly { state in
            let isNext = offset == state.ready && offset + Int64(bytes.count) <= blob.size
            state.isWriting = isNext && state.failure == nil && !state.isStopped
            return state.isWriting
        }
        guard isOurs else { return .dropped }
        let isSound = sum.map { digestOf(bytes) == $0 } ?? true
        let failure = isSound ? write(bytes, at: offset) : nil
        return state.withLock { state in
            state.isWriting = false
            if let failure {
                state.failure = failure
                return .dropped
            }
            guard isSound else {
                state.damaged += 1
                guard state.damaged >= Self.patience else { return .again(offset: offset) }
                state.failure = damage()
                return .dropped
            }
            state.damaged = 0
            if let source { state.sources.insert(source) }
            state.ready += Int64(bytes.count)
            return .taken
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> BlobFailure? {
        var written = 0
        while written < bytes.count {
            let count = pwrite(
                file, bytes.baseAddress.map { $0 + written }, bytes.count - written,
                off_t(offset) + off_t(written))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = SystemError.last("write", "blob \(blob.digest.short)")
                return BlobFailure(
                    ImageError(system: error, "take in blob \(blob.digest.short)"),
                    isOfThisMachine: true)
            }
            written += count
        }
        return nil
    }

    private func damage() -> BlobFailure {
        BlobFailure(
            ImageError(
                .corrupt, "take in", "blob \(blob.digest.short)",
                "the same part of it came damaged \(Self.patience) times"),
            isOfThisMachine: false)
    }

    func wait(past offset: Int64) throws(LayerError) -> Int64 {
        let result: Result<Int64, LayerError> = state.wait { state in
            if state.ready > offset || state.ready == blob.size { return .success(state.ready) }
            if let failure = state.failure {
                return .failure(LayerError(.cancelled, failure.error.reason))
            }
            return state.isStopped ? .failure(LayerError(.cancelled, "it was ended")) : nil
        }
        return try result.get()
    }

    /// Whether more of it is to come.
    var isWanted: Bool {
        state.quietly { !$0.isStopped && $0.failure == nil && $0.ready < blob.size }
    }

    /// The same as `wait`, for at most `seconds`; nil when they have passed. Throws where no more will come.
    func ready(past offset: Int64, seconds: Double) throws(LayerError) -> Int64? {
        let result: Result<Int64, LayerError>? = state.wait(seconds: seconds) { state in
            if state.ready > offset { return .success(state.ready) }
            let isOver = state.isStopped || state.failure != nil || state.ready == blob.size
            return isOver ? .failure(LayerError(.cancelled, "it has ended")) : nil
        }
        return try result?.get()
    }

    /// Bytes that are here.
    func read(at offset: Int64, _ count: Int) throws(LayerError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(
                    shared, $0.baseAddress.map { $0 + filled }, count - filled,
                    off_t(offset) + off_t(filled))
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw LayerError(system: errno, "read") }
            filled += got
        }
        return bytes
    }

    func stop(because reason: String) { state.withLock { $0.isStopped = true } }

    func fail(_ failure: BlobFailure) {
        state.withLock { if $0.failure == nil { $0.failure = failure } }
    }

    var sources: Set<String> { state.quietly { $0.sources } }
    /// Sums of parts are those of whoever sent them.
    var hasAlternative: Bool { !sources.isEmpty }

    var failure: BlobFailure? { state.quietly { $0.failure } }

    func finish() {
        state.withLock { $0.isStopped = true }
        state.wait { $0.isWriting ? nil : true }
    }
}
