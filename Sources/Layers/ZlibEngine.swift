internal import CZlib

/// zlib's inflate, for machines that ISA-L does not serve; the trailer is checked here.
package final class ZlibEngine: InflateEngine {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var crc: UInt = 0
    private var length: UInt32 = 0
    /// Bytes of the trailer so far; nil while the deflate stream goes on.
    private var trailer: [UInt8]?

    package init() throws(LayerError) {
        guard czlib_inflate_raw(stream) == Z_OK else {
            throw LayerError(system: 12, "allocate inflate state")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    package func reset() throws(LayerError) {
        inflateReset(stream)
        crc = 0
        length = 0
        trailer = nil
    }

    package func step(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(LayerError) -> (consumed: Int, produced: Int, ended: Bool) {
        if trailer != nil { return try (readTrailer(input), 0, isTrailerWhole) }
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(clamping: input.count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(clamping: output.count)
        let result = inflate(stream, Z_NO_FLUSH)
        guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
            throw LayerError(.corrupt, "the gzip stream is damaged")
        }
        let consumed = input.count - Int(stream.pointee.avail_in)
        let produced = output.count - Int(stream.pointee.avail_out)
        crc = crc32(
            crc, output.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(clamping: produced)
        )
        length &+= UInt32(truncatingIfNeeded: produced)
        guard result == Z_STREAM_END else { return (consumed, produced, false) }
        trailer = []
        let more = try readTrailer(UnsafeRawBufferPointer(rebasing: input[consumed...]))
        return (consumed + more, produced, isTrailerWhole)
    }

    private var isTrailerWhole: Bool { trailer?.count == 8 }

    /// CRC-32 and length modulo 2^32, little-endian (RFC 1952 §2.3.1).
    private func readTrailer(_ input: UnsafeRawBufferPointer) throws(LayerError) -> Int {
        let count = min(8 - (trailer?.count ?? 0), input.count)
        trailer?.append(contentsOf: input[..<count])
        guard let trailer, trailer.count == 8 else { return count }
        func word(_ at: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(trailer[at + $1]) << (8 * UInt32($1)) }
        }
        guard word(0) == UInt32(truncatingIfNeeded: crc), word(4) == length else {
            throw LayerError(.corrupt, "the gzip checksum is wrong")
        }
        return count
    }
}
