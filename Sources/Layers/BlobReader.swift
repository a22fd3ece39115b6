internal import Glibc
package import OCISpec

/// The bytes of a blob from its beginning, as far as they are there, each handed to the hash lane once.
package final class BlobReader {
    private let descriptor: Int32
    private let size: Int64
    /// Nil where the whole blob is in the file.
    private let arrival: (any BlobArrival)?
    private let ring: BufferRing
    private var offset: Int64 = 0
    private var ready: Int64 = 0

    static let bufferSize = 256 << 10

    /// `descriptor` is borrowed.
    package init(descriptor: Int32, size: Int64, arrival: (any BlobArrival)?, lane: HashLane) {
        self.descriptor = descriptor
        self.size = size
        self.arrival = arrival
        ring = BufferRing(count: 4, size: Self.bufferSize, lane: lane, stream: .compressed)
        ready = arrival == nil ? size : 0
    }

    /// The next bytes, which stay until the next call; empty at the end.
    package func next() throws(LayerError) -> UnsafeRawBufferPointer {
        guard offset < size else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        if ready <= offset, let arrival {
            // The first piece holds the magic number whole.
            ready = try arrival.wait(past: offset == 0 ? Compression.magicSize - 1 : offset)
        }
        let buffer = ring.next()
        let wanted = Int(min(Int64(buffer.count), ready - offset))
        while true {
            let count = pread(descriptor, buffer.baseAddress, wanted, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LayerError(system: errno, "read") }
            guard count > 0 else {
                throw LayerError(.corrupt, "the blob ends after \(offset) of \(size) bytes")
            }
            offset += Int64(count)
            return ring.submit(count)
        }
    }

    /// Reads what is left, so that all of it is hashed.
    package func drain() throws(LayerError) {
        while try !next().isEmpty {}
    }
}

extension BlobReader {
    /// Reads a blob to its end, as it comes, and checks its digest. `file` is borrowed.
    package static func verify(_ file: Int32, _ blob: Descriptor, _ arrival: (any BlobArrival)?)
        throws(LayerError)
    {
        let lane = try HashLane()
        defer { _ = lane.finish() }
        try BlobReader(descriptor: file, size: blob.size, arrival: arrival, lane: lane).drain()
        let digest = lane.finish().compressed
        guard digest == blob.digest else {
            throw LayerError(.corrupt, "its content has the digest \(digest)")
        }
    }
}
