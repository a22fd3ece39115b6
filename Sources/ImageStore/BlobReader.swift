internal import Glibc
internal import OCISpec
internal import Registry

/// The bytes of a blob from its beginning, as far as they are there, each handed to the hash lane once.
final class BlobReader {
    private let descriptor: Int32
    private let size: Int64
    /// Nil where the whole blob is in the file.
    private let download: BlobDownload?
    private let ring: BufferRing
    private var offset: Int64 = 0
    private var ready: Int64 = 0

    static let bufferSize = 256 << 10

    /// `descriptor` is borrowed.
    init(descriptor: Int32, size: Int64, download: BlobDownload?, lane: HashLane) {
        self.descriptor = descriptor
        self.size = size
        self.download = download
        ring = BufferRing(count: 4, size: Self.bufferSize, lane: lane, stream: .compressed)
        ready = download == nil ? size : 0
    }

    /// The next bytes, which stay until the next call; empty at the end.
    func next() throws(LayerError) -> UnsafeRawBufferPointer {
        guard offset < size else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        if ready <= offset, let download {
            do throws(RegistryError) {
                // The first piece holds the magic number whole.
                ready = try download.wait(past: offset == 0 ? Compression.magicSize - 1 : offset)
            } catch {
                throw LayerError(.cancelled, "the download ended: \(error)")
            }
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
    func drain() throws(LayerError) {
        while try !next().isEmpty {}
    }
}

extension BlobReader {
    /// Reads a blob to its end, as it comes, and checks its digest. `file` is borrowed.
    static func verify(_ file: Int32, _ blob: Descriptor, _ download: BlobDownload?)
        throws(LayerError)
    {
        let lane = try HashLane()
        defer { _ = lane.finish() }
        try BlobReader(descriptor: file, size: blob.size, download: download, lane: lane).drain()
        let digest = lane.finish().compressed
        guard digest == blob.digest else {
            throw LayerError(.corrupt, "its content has the digest \(digest)")
        }
    }
}
