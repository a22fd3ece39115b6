internal import Layers

/// SHA-256 of a piece of a file, or of a manifest.
public struct ChunkSum: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    static let size = 32

    /// Of bytes in memory.
    public init(of bytes: UnsafeRawBufferPointer) {
        var sum = SHA256Sum()
        sum.update(bytes)
        self.init(sum.bytes())
    }

    public init(of bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { ChunkSum(of: $0) }
    }

    /// As it stands in a manifest: exactly 32 bytes.
    init(_ bytes: some Collection<UInt8>) {
        var words: [UInt64] = [0, 0, 0, 0]
        for (place, byte) in bytes.prefix(Self.size).enumerated() {
            words[place / 8] |= UInt64(byte) << UInt64(place % 8 * 8)
        }
        self.words = (words[0], words[1], words[2], words[3])
    }

    /// Nil where the text is not 64 hexadecimal digits, in lower case.
    public init?(hex: String) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in hex.utf8 {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let first = high { bytes.append(first << 4 | value) }
            high = high == nil ? value : nil
        }
        guard high == nil, bytes.count == Self.size else { return nil }
        self.init(bytes)
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for word in [words.0, words.1, words.2, words.3] {
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    public static func == (a: ChunkSum, b: ChunkSum) -> Bool { a.words == b.words }

    public func hash(into hasher: inout Hasher) {
        // All bits of it are as good as any.
        hasher.combine(words.0)
    }
}
