/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), eight bytes at a time by tables: M. Kounavis and F. Berry, "Novel Table Lookup-Based
/// Algorithms for High-Performance CRC Generation", 2008. Finds what was damaged or changed, not who meant to.
public struct Checksum: Sendable {
    private var state = UInt32.max
    public init() {}

    public var value: UInt32 { ~state }

    public mutating func add(_ bytes: some Sequence<UInt8>) {
        let state = state
        let result: UInt32?? = bytes.withContiguousStorageIfAvailable {
            Self.add(UnsafeRawBufferPointer($0), to: state)
        }
        self.state = (result ?? nil) ?? bytes.reduce(state) { Self.add($1, to: $0) }
    }

    public static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = Checksum()
        sum.add(bytes)
        return sum.value
    }

    /// 8 tables of 256, one after the other.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            tables[byte] = (0..<8).reduce(UInt32(byte)) { word, _ in
                word & 1 == 0 ? word >> 1 : word >> 1 ^ 0x82F6_3B78
            }
        }
        for place in 256..<2048 {
            let former = tables[place - 256]
            tables[place] = former >> 8 ^ tables[Int(former & 255)]
        }
        return tables
    }()

    private static func add(_ byte: UInt8, to state: UInt32) -> UInt32 {
        state >> 8 ^ tables[Int((state ^ UInt32(byte)) & 255)]
    }

    private static func add(_ bytes: UnsafeRawBufferPointer, to state: UInt32) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var state = state
            var place = 0
            while place + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self).littleEndian
                let (low, high) = (
                    UInt32(truncatingIfNeeded: word) ^ state, UInt32(truncatingIfNeeded: word >> 32)
                )
                state =
                    tables[1792 + Int(low & 255)] ^ tables[1536 + Int(low >> 8 & 255)]
                    ^ tables[1280 + Int(low >> 16 & 255)] ^ tables[1024 + Int(low >> 24)]
                state ^=
                    tables[768 + Int(high & 255)] ^ tables[512 + Int(high >> 8 & 255)]
                    ^ tables[256 + Int(high >> 16 & 255)] ^ tables[Int(high >> 24)]
                place += 8
            }
            for byte in bytes[place...] {
                state = state >> 8 ^ tables[Int((state ^ UInt32(byte)) & 255)]
            }
            return state
        }
    }
}
