internal import Glibc
internal import LinuxSystem
public import OCISpec
internal import Threads

/// A blob on its way into a file: its chunks come in any order, and it can be read from its beginning meanwhile.
///
/// The file is the buffer between network and unpacking, so memory stays bounded whatever their speeds are. A later download
/// of the same blob into it goes on where this one ended.
public final class BlobDownload: Sendable {
    public let reference: ImageReference
    public let digest: Digest
    /// Bytes, as the manifest promises.
    public let size: Int64
    /// Borrowed: stays open until `finish` has returned.
    let descriptor: Int32
    /// Bytes that an earlier download left in the file.
    public let resumed: Int64
    let state: Monitor<State>
    private let trail: DownloadTrail

    struct Chunk: Sendable {
        var start: Int64
        var end: Int64
        var received: Int64 = 0
        var position: Int64 { start + received }
        var isWhole: Bool { position == end }
    }
    struct State: Sendable {
        var chunks: [Chunk]
        var nextChunk = 0
        /// First chunk that is not whole: what is before it can be read.
        var head = 0
        var running = 0
        /// Whether a range was answered with one; nil while it is not known, or not asked.
        var takesRanges: Bool?
        /// Whether something on the way compresses the blob once more, and does not tell how long it is.
        var isEncoded = false
        /// Bytes of the running answer that are here already: a server without ranges begins anew each time.
        var repeated: Int64 = 0
        var failure: RegistryError?

        /// The first chunk that nobody fetches or has fetched; nil after the last.
        var next: Int? { chunks.indices.dropFirst(nextChunk).first { !chunks[$0].isWhole } }

        /// Where a chunk is now: a server without ranges sends one that is all of them.
        func place(_ index: Int) -> Int { min(index, chunks.count - 1) }

        mutating func moveHead() {
            while head + 1 < chunks.count, chunks[head].isWhole { head += 1 }
        }
    }

    /// `descriptor` is an open file, readable and writable, that is empty or in which an earlier download of the blob ended.
    /// Once all of the blob is there, whoever owns the file cuts it to the blob's size.
    public init(
        reference: ImageReference, digest: Digest, size: Int64, descriptor: Int32, chunkSize: Int64
    ) {
        self.reference = reference
        self.digest = digest
        self.size = size
        self.descriptor = descriptor
        let step = max(chunkSize, 64 << 10)
        var chunks = stride(from: 0, to: size, by: Int64.Stride(step)).map {
            Chunk(start: $0, end: min($0 + step, size))
        }
        if chunks.isEmpty { chunks = [Chunk(start: 0, end: 0)] }
        trail = DownloadTrail(descriptor, size: size, chunkSize: step, count: chunks.count)
        for (index, isWhole) in trail.read().enumerated() where isWhole {
            chunks[index].received = chunks[index].end - chunks[index].start
        }
        resumed = chunks.reduce(0) { $0 + $1.received }
        var state = State(chunks: chunks)
        state.moveHead()
        self.state = Monitor(state)
    }

    /// Bytes that can be read from the start of the file: waits until there are more than `offset`, or all.
    /// Throws what ended the download.
    public func wait(past offset: Int64) throws(RegistryError) -> Int64 {
        let result: Result<Int64, RegistryError> = state.wait { state in
            let ready = state.chunks[state.head].position
            if ready > offset || ready == size { return .success(ready) }
            return state.failure.map { .failure($0) }
        }
        return try result.get()
    }

    /// Bytes received in all, for progress.
    public var received: Int64 { state.quietly { $0.chunks.reduce(0) { $0 + $1.received } } }

    /// Ends the download; what is still running is thrown away.
    public func fail(_ error: RegistryError) {
        state.withLock { state in
            if state.failure == nil { state.failure = error }
        }
    }

    /// What ended the download; nil while nothing did.
    public var reason: RegistryError? { failure }

    /// Waits until no transfer writes to the file any more.
    public func finish() { state.wait { $0.running == 0 ? true : nil } }
}

extension BlobDownload {
    /// The next chunk to fetch: the first alone, until it is known that the server takes ranges.
    func takeChunk() -> Int? {
        state.withLock { state in
            guard state.failure == nil, let chunk = state.next,
                state.takesRanges == true || (state.takesRanges == nil && state.running == 0)
            else { return nil }
            state.nextChunk = chunk + 1
            state.running += 1
            return chunk
        }
    }

    /// Whether a chunk may still have to be fetched.
    var isOpen: Bool {
        state.quietly {
            $0.failure == nil && $0.next != nil && $0.takesRanges != false
        }
    }

    var running: Int { state.quietly { $0.running } }

    func release() { state.withLock { $0.running -= 1 } }

    func chunk(_ index: Int) -> Chunk { state.quietly { $0.chunks[$0.place(index)] } }

    var failure: RegistryError? { state.quietly { $0.failure } }

    var isEncoded: Bool { state.quietly { $0.isEncoded } }

    /// Judges the head of an answer to a request for `index` from `from` on; false ends the transfer.
    func accept(_ response: HTTPResponse, _ index: Int, from: Int64) -> Bool {
        state.withLock { state in
            if !state.isEncoded, Self.isEncoded(response, size) {
                return turnToEncoded(&state, index)
            }
            if response.status == 206 {
                let range = ContentRange(response)
                guard range?.start == from else {
                    return refuse(&state, "it answered another range than the one asked for")
                }
                guard range?.total == nil || range?.total == size else {
                    return refuse(&state, "it has another blob than one of \(size) bytes")
                }
                state.takesRanges = true
                state.repeated = 0
                return true
            }
            // Other transfers rely on the chunks once ranges were spoken.
            guard state.place(index) == state.head, response.status == 200,
                state.takesRanges != true || state.chunks.count == 1
            else {
                return refuse(
                    &state, "it answered status \(response.status) to a request for a range")
            }
            // The whole blob from its start: ranges are not spoken here, or none was asked. What came before may have been
            // read and hashed, and is never written again.
            if state.chunks.count > 1 || from > 0 {
                state.takesRanges = false
                state.chunks = [Chunk(start: 0, end: size, received: from)]
                state.head = 0
            }
            state.repeated = from
            return true
        }
    }

    /// Writes a piece to its place; false ends the transfer, with `failure` set where trying again is useless.
    func take(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        let (chunk, dropped) = state.quietly { state in
            // Nothing is repeated where there are ranges.
            let dropped = Int(min(state.repeated, Int64(bytes.count)))
            state.repeated -= Int64(dropped)
            return (state.chunks[state.place(index)], dropped)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: bytes[dropped...])
        guard Int64(bytes.count) <= chunk.end - chunk.position else {
            return state.withLock { refuse(&$0, "it sent more than the \(size) bytes of the blob") }
        }
        var written = 0
        while written < bytes.count {
            let offset = off_t(chunk.position) + off_t(written)
            let count = pwrite(
                descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written, offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = RegistryError(
                    .local(errno), "write", "blob \(digest.short)", SystemError.text(errno))
                fail(error)
                return false
            }
            written += count
        }
        let isWhole = state.withLock { state in
            let index = state.place(index)
            state.chunks[index].received += Int64(bytes.count)
            state.moveHead()
            return state.chunks[index].isWhole
        }
        // The whole blob in one answer has no chunks to mark.
        if isWhole, chunk.end - chunk.start < size { trail.mark(index) }
        return failure == nil
    }

    private func refuse(_ state: inout State, _ reason: String) -> Bool {
        if state.failure == nil {
            state.failure = RegistryError(.malformed, "GET", "\(reference.name)@\(digest)", reason)
        }
        return false
    }

    /// Ends the transfer, to have the whole blob in one and undo what was done to it.
    private func turnToEncoded(_ state: inout State, _ index: Int) -> Bool {
        guard state.place(index) == state.head, state.takesRanges != true else {
            return refuse(&state, "it compresses some parts of the blob once more, and others not")
        }
        state.isEncoded = true
        state.takesRanges = false
        state.chunks = [Chunk(start: 0, end: size, received: state.chunks[state.head].position)]
        state.head = 0
        return false
    }

    /// Whether the bytes that come are not the blob's. A `Content-Encoding` alone says nothing: there is storage that has it from
    /// the layer's own compression, and sends the blob as it is.
    static func isEncoded(_ response: HTTPResponse, _ size: Int64) -> Bool {
        guard let coding = response.header("content-encoding"), coding.lowercased() != "identity"
        else { return false }
        let total =
            response.status == 206
            ? ContentRange(response)?.total
            : response.header("content-length").flatMap { Int64($0) }
        return total != size
    }
}

/// `bytes 10-19/200`, `bytes 10-19/*` (RFC 9110 §14.4).
struct ContentRange: Hashable, Sendable {
    var start: Int64
    var total: Int64?

    init?(_ response: HTTPResponse) {
        guard let text = response.header("content-range"), text.hasPrefix("bytes "),
            let start = Int64(text.dropFirst(6).prefix { $0 != "-" })
        else { return nil }
        self.start = start
        total = text.lastIndex(of: "/").flatMap { Int64(text[text.index(after: $0)...]) }
    }
}
