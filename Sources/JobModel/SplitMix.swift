/// Numbers that look random and follow from a seed alone (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators",
/// 2014). Not for secrets.
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        defer { state &+= Self.gamma }
        return Self.mix(state)
    }

    private static let gamma: UInt64 = 0x9e37_79b9_7f4a_7c15

    /// SplitMix64's step and finaliser: a hash of counters.
    public static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ gamma
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// In [0, 1), of the upper 53 bits.
    public static func unit(_ value: UInt64) -> Double { Double(value >> 11) * 0x1p-53 }
}
