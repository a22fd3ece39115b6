/// Decodes raw deflate and checks the trailer of each gzip member.
package protocol InflateEngine: AnyObject {
    /// Begins another member.
    func reset() throws(LayerError)
    /// Decodes until input or output are used up or the member and its trailer end (`ended`, its CRC and length right).
    func step(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(LayerError) -> (consumed: Int, produced: Int, ended: Bool)
}

/// A gzip file (RFC 1952): any number of members, one after the other, then perhaps zero bytes as padding.
final class GzipReader: Decompressor {
    private enum Position {
        case beforeMember(first: Bool)
        case inMember, atEnd
    }
    private let input: CompressedInput
    private let engine: any InflateEngine
    private var position = Position.beforeMember(first: true)

    init(_ input: CompressedInput, engine: any InflateEngine) {
        self.input = input
        self.engine = engine
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(LayerError) -> Int {
        var filled = 0
        while filled < buffer.count {
            switch position {
            case .atEnd: return filled
            case .beforeMember(let first): try begin(isFirst: first)
            case .inMember:
                // What is decoded already is worth more than waiting for the network.
                if filled > 0, input.bytes.isEmpty { return filled }
                let hasInput = try input.fill()
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                let (consumed, produced, ended) = try engine.step(input.bytes, into: rest)
                input.consume(consumed)
                filled += produced
                // The engine may hold output back that did not fit before.
                guard hasInput || produced > 0 || ended else {
                    throw LayerError(.corrupt, "the gzip stream ends early")
                }
                if ended { position = .beforeMember(first: false) }
            }
        }
        return filled
    }

    private func begin(isFirst: Bool) throws(LayerError) {
        guard let first = try input.byte() else {
            position = .atEnd
            return
        }
        if !isFirst, first == 0 {
            // Tapes and some builders pad with zeros.
            while let byte = try input.byte() {
                guard byte == 0 else { throw LayerError(.corrupt, "garbage after the gzip stream") }
            }
            position = .atEnd
            return
        }
        guard first == 0x1f, try input.byte() == 0x8b else {
            throw LayerError(.corrupt, "garbage after the gzip stream")
        }
        try skipHeader()
        try engine.reset()
        position = .inMember
    }

    /// RFC 1952 §2.3, after the magic number.
    private func skipHeader() throws(LayerError) {
        func byte() throws(LayerError) -> UInt8 {
            guard let byte = try input.byte() else {
                throw LayerError(.corrupt, "the gzip header ends early")
            }
            return byte
        }
        func skipText() throws(LayerError) {
            while try byte() != 0 {}
        }
        guard try byte() == 8 else {
            throw LayerError(.corrupt, "a gzip method that does not exist")
        }
        let flags = try byte()
        guard flags & 0xe0 == 0 else { throw LayerError(.corrupt, "gzip flags that do not exist") }
        for _ in 0..<6 { _ = try byte() }
        if flags & 4 != 0 {
            let length = try Int(byte()) | Int(byte()) << 8
            for _ in 0..<length { _ = try byte() }
        }
        if flags & 8 != 0 { try skipText() }
        if flags & 16 != 0 { try skipText() }
        if flags & 2 != 0 { for _ in 0..<2 { _ = try byte() } }
    }
}

/// Makes what decodes gzip: zlib serves every machine, the head has a faster one.
package typealias InflaterMaker = @Sendable () throws(LayerError) -> any InflateEngine
