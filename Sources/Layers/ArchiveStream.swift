/// The uncompressed archive, piece by piece. Each was handed to the hash lane before it is used.
package final class ArchiveStream {
    private let pieces: ArchivePipe
    private let limit: Int64
    private var piece = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Bytes decoded so far.
    private(set) var decoded: Int64 = 0
    /// Bytes taken so far.
    var position: Int64 { decoded - Int64(piece.count) }

    package init(_ pieces: ArchivePipe, limit: Int64) {
        self.pieces = pieces
        self.limit = limit
    }

    /// Up to `most` bytes, which stay until the next call; empty at the end of the stream.
    func take(_ most: Int) throws(LayerError) -> UnsafeRawBufferPointer {
        if piece.isEmpty {
            piece = try pieces.next()
            decoded += Int64(piece.count)
            guard decoded <= limit else {
                throw LayerError(.hostile, "the layer unpacks to more than \(limit) bytes")
            }
        }
        let count = min(most, piece.count)
        defer { piece = UnsafeRawBufferPointer(rebasing: piece[count...]) }
        return UnsafeRawBufferPointer(rebasing: piece[..<count])
    }

    /// Exactly `count` bytes; nil where the stream ended before the first of them.
    func read(_ count: Int) throws(LayerError) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let more = try take(count - bytes.count)
            if more.isEmpty {
                if bytes.isEmpty { return nil }
                throw LayerError(.corrupt, "the archive ends within an entry")
            }
            bytes.append(contentsOf: more)
        }
        return bytes
    }

    func skip(_ count: Int64, toleratingEnd: Bool = false) throws(LayerError) {
        var left = count
        while left > 0 {
            let more = try take(Int(min(left, 1 << 20)))
            guard !more.isEmpty else {
                if toleratingEnd { return }
                throw LayerError(.corrupt, "the archive ends within an entry")
            }
            left -= Int64(more.count)
        }
    }

    /// Reads to the end, so that all of it is hashed.
    func drain() throws(LayerError) {
        while try !take(1 << 20).isEmpty {}
    }
}
