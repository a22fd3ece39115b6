/// GPUs, or NUMA nodes, of one node by their positions.
struct PositionSet: Hashable, Sendable {
    /// Bits in a set; what a node has beyond is not used.
    static let most = 128

    private(set) var bits: UInt128 = 0

    init() {}
    init(_ bits: UInt128) { self.bits = bits }
    init(_ positions: some Sequence<Int>) { for position in positions { insert(position) } }

    var count: Int { bits.nonzeroBitCount }
    var isEmpty: Bool { bits == 0 }
    func contains(_ position: Int) -> Bool { bits & 1 << UInt128(position) != 0 }
    mutating func insert(_ position: Int) { bits |= 1 << UInt128(position) }

    static func & (a: PositionSet, b: PositionSet) -> PositionSet { PositionSet(a.bits & b.bits) }
    static func | (a: PositionSet, b: PositionSet) -> PositionSet { PositionSet(a.bits | b.bits) }
    static func - (a: PositionSet, b: PositionSet) -> PositionSet { PositionSet(a.bits & ~b.bits) }
}

typealias GPUSet = PositionSet

extension PositionSet: Sequence {
    struct Iterator: IteratorProtocol {
        var left: UInt128
        mutating func next() -> Int? {
            guard left != 0 else { return nil }
            defer { left &= left - 1 }
            return left.trailingZeroBitCount
        }
    }

    /// Ascending.
    func makeIterator() -> Iterator { Iterator(left: bits) }
}
