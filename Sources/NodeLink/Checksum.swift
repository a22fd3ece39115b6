internal import CChecksum

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4). Finds what was damaged or changed, not who meant to.
public struct Checksum: Sendable {
    private var state = UInt32.max
    public init() {}

    public var value: UInt32 { ~state }

    public mutating func add(_ bytes: some Sequence<UInt8>) {
        let state = state
        let result = bytes.withContiguousStorageIfAvailable { bytes in
            bytes.baseAddress.map { cchecksum_crc32c(state, $0, bytes.count) } ?? state
        }
        if let result { self.state = result } else { add(Array(bytes)) }
    }

    public static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = Checksum()
        sum.add(bytes)
        return sum.value
    }
}
