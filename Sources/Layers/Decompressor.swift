/// Turns a blob's bytes into those of the archive. One object per layer, used by one thread.
package protocol Decompressor: AnyObject {
    /// Fills as much of `buffer` as it can without waiting twice; 0 at the end, which is checked to be one.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(LayerError) -> Int
}

/// The compression of a layer, told by its first bytes as containerd does: media types lie.
package enum Compression: Sendable {
    case none, gzip, zstd

    /// Bytes that tell it.
    package static let magicSize: Int64 = 4

    package init(magic bytes: UnsafeRawBufferPointer) {
        if bytes.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd])
            || (bytes.count >= 4 && bytes[0] & 0xf0 == 0x50
                && bytes[1...3].elementsEqual([0x2a, 0x4d, 0x18]))
        {
            // A zstd frame, or a skippable one (RFC 8878 §3.1.2).
            self = .zstd
        } else {
            self = .none
        }
    }
}

/// Opens a blob whatever its compression is.
package func makeDecompressor(
    _ blob: BlobReader, inflater: InflaterMaker
) throws(LayerError) -> any Decompressor {
    let input = CompressedInput(blob)
    try input.fill()
    switch Compression(magic: input.bytes) {
    case .none: return PlainReader(input)
    case .gzip: return GzipReader(input, engine: try inflater())
    case .zstd: return try ZstdReader(input)
    }
}

/// What is left of the blob's current piece.
final class CompressedInput {
    private let blob: BlobReader
    private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var isAtEnd = false

    init(_ blob: BlobReader) { self.blob = blob }

    /// Gets more where nothing is left; false at the end of the blob.
    @discardableResult
    func fill() throws(LayerError) -> Bool {
        if bytes.isEmpty, !isAtEnd {
            bytes = try blob.next()
            isAtEnd = bytes.isEmpty
        }
        return !bytes.isEmpty
    }

    func consume(_ count: Int) { bytes = UnsafeRawBufferPointer(rebasing: bytes[count...]) }

    /// One byte, for headers; nil at the end.
    func byte() throws(LayerError) -> UInt8? {
        guard try fill() else { return nil }
        defer { consume(1) }
        return bytes[0]
    }
}

/// A layer that is not compressed.
final class PlainReader: Decompressor {
    private let input: CompressedInput
    init(_ input: CompressedInput) { self.input = input }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(LayerError) -> Int {
        guard try input.fill() else { return 0 }
        let count = min(buffer.count, input.bytes.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: input.bytes[..<count]))
        input.consume(count)
        return count
    }
}
