internal import CIsal
internal import Layers

/// ISA-L's inflate: 0.75 s where zlib takes 3.4 s for the same layer.
final class IsalEngine: InflateEngine {
    private let state: OpaquePointer

    init() throws(LayerError) {
        guard let state = cisal_inflate_new() else {
            throw LayerError(system: 12, "allocate inflate state")
        }
        self.state = state
    }

    deinit { cisal_inflate_free(state) }

    func reset() throws(LayerError) { cisal_inflate_reset(state) }

    func step(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(LayerError) -> (consumed: Int, produced: Int, ended: Bool) {
        var consumed = 0
        var produced = 0
        let result = cisal_inflate_step(
            state, input.baseAddress?.assumingMemoryBound(to: UInt8.self), input.count, &consumed,
            output.baseAddress?.assumingMemoryBound(to: UInt8.self), output.count, &produced)
        guard result >= 0 else { throw LayerError(.corrupt, "the gzip stream is damaged") }
        return (consumed, produced, result == 1)
    }
}
