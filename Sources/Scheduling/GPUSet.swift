/// GPUs of a node by position.
struct GPUSet: Hashable, Sendable {
    /// Bits in a set; what a node has beyond is not used.
    static let most = 128

    private(set) var bits: UInt128 = 0

    init() {}
    init(_ bits: UInt128) { self.bits = bits }
    init(_ gpus: some Sequence<Int>) { for gpu in gpus { insert(gpu) } }

    var count: Int { bits.nonzeroBitCount }
    var isEmpty: Bool { bits == 0 }
    func contains(_ gpu: Int) -> Bool { bits & 1 << UInt128(gpu) != 0 }
    mutating func insert(_ gpu: Int) { bits |= 1 << UInt128(gpu) }

    static func & (a: GPUSet, b: GPUSet) -> GPUSet { GPUSet(a.bits & b.bits) }
    static func | (a: GPUSet, b: GPUSet) -> GPUSet { GPUSet(a.bits | b.bits) }
    static func - (a: GPUSet, b: GPUSet) -> GPUSet { GPUSet(a.bits & ~b.bits) }
}

extension GPUSet: Sequence {
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
