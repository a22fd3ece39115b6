/// Where files are cut into pieces: at places that their contents choose, so that what is inserted moves no cut but those beside it.
///
/// FastCDC (Xia et al., USENIX ATC 2016) with its normalised cutting: a stricter rule before the mean length, a laxer one after it.
public enum ChunkCut {
    /// Bytes; a file up to this is one piece.
    public static let shortest = 64 << 10
    static let mean = 256 << 10
    public static let longest = 1 << 20

    /// Bits of the rolling sum that have to be zero: a mean of 2^18 bytes, two bits more before it and two fewer after it.
    private static let strict: UInt64 = ~0 << (64 - 20)
    private static let lax: UInt64 = ~0 << (64 - 16)

    /// Length of the first piece of `bytes`, which hold at least `longest` bytes or all that is left.
    static func first(of bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes.count > shortest else { return bytes.count }
        let end = min(bytes.count, longest)
        return gear.withUnsafeBufferPointer { gear in
            var sum: UInt64 = 0
            var place = shortest
            let middle = min(mean, end)
            while place < middle {
                sum = (sum << 1) &+ gear[Int(bytes[place])]
                place += 1
                if sum & strict == 0 { return place }
            }
            while place < end {
                sum = (sum << 1) &+ gear[Int(bytes[place])]
                place += 1
                if sum & lax == 0 { return place }
            }
            return end
        }
    }

    /// The same for ever: another table would cut all files anew. SplitMix64 (Steele et al., 2014), from 0.
    private static let gear: [UInt64] = {
        var state: UInt64 = 0
        return (0..<256).map { _ in
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }()
}
