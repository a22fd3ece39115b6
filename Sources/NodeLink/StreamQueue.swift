internal import Glibc

/// What the head has yet to send on one stream: put in by a thread that may wait, taken out by the link's, which never does.
final class StreamQueue: StreamSource, @unchecked Sendable {
    /// Bytes that wait here at most, and one more write.
    static let most = 256 << 10

    // All that changes is touched under `mutex` alone.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let hasRoom = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var chunks: [ArraySlice<UInt8>] = []
    private var held = 0
    private var isFinished = false
    /// Why nothing more is taken.
    private var failure: String?

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(hasRoom, nil)
    }

    deinit {
        pthread_cond_destroy(hasRoom)
        pthread_mutex_destroy(mutex)
        hasRoom.deallocate()
        mutex.deallocate()
    }

    /// Waits while the queue is full; throws once the stream has ended.
    func put(_ bytes: [UInt8]) throws(LinkError) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while held >= Self.most, failure == nil, !isFinished { pthread_cond_wait(hasRoom, mutex) }
        if let failure { throw LinkError(failure) }
        guard !isFinished else { throw LinkError("this stream was finished") }
        guard !bytes.isEmpty else { return }
        chunks.append(bytes[...])
        held += bytes.count
    }

    /// Nothing more will be put in; what is there still goes out.
    func finish() {
        pthread_mutex_lock(mutex)
        isFinished = true
        pthread_cond_broadcast(hasRoom)
        pthread_mutex_unlock(mutex)
    }

    /// The stream has ended: whoever waits to put something in is told why.
    func fail(_ reason: String) {
        pthread_mutex_lock(mutex)
        failure = failure ?? reason
        chunks = []
        pthread_cond_broadcast(hasRoom)
        pthread_mutex_unlock(mutex)
    }

    func next(_ limit: Int) -> StreamPiece {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard var chunk = chunks.first else { return isFinished ? .end(nil) : .later }
        let piece = Array(chunk.prefix(limit))
        chunk = chunk.dropFirst(piece.count)
        if chunk.isEmpty { chunks.removeFirst() } else { chunks[0] = chunk }
        held -= piece.count
        if held < Self.most { pthread_cond_broadcast(hasRoom) }
        return .bytes(piece)
    }
}
