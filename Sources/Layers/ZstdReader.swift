internal import CZstd

/// A zstd file (RFC 8878): any number of frames, skippable ones among them.
final class ZstdReader: Decompressor {
    /// Largest window, as a power of two: 128 MiB, what `zstd --long` uses; a frame may ask for 2 GiB.
    static let largestWindow: Int32 = 27
    private let input: CompressedInput
    private let stream: OpaquePointer
    private var isBetweenFrames = true

    init(_ input: CompressedInput) throws(LayerError) {
        guard let stream = ZSTD_createDStream() else {
            throw LayerError(system: 12, "allocate zstd state")
        }
        self.input = input
        self.stream = stream
        ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, Self.largestWindow)
    }

    deinit { ZSTD_freeDStream(stream) }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(LayerError) -> Int {
        var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        while output.pos < output.size {
            if output.pos > 0, input.bytes.isEmpty { break }
            let hasInput = try input.fill()
            if !hasInput, isBetweenFrames { break }
            let before = output.pos
            var source = ZSTD_inBuffer(
                src: input.bytes.baseAddress, size: input.bytes.count, pos: 0)
            let result = ZSTD_decompressStream(stream, &output, &source)
            input.consume(source.pos)
            guard ZSTD_isError(result) == 0 else {
                throw LayerError(
                    .corrupt, "the zstd stream: \(String(cString: ZSTD_getErrorName(result)))")
            }
            isBetweenFrames = result == 0
            // It may hold output back that did not fit before.
            guard hasInput || output.pos > before || isBetweenFrames else {
                throw LayerError(.corrupt, "the zstd stream ends early")
            }
        }
        return output.pos
    }
}
