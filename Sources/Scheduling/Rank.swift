/// A score for machines: the same lines in the same order, packed so that four comparisons decide. Lines beyond the width that is
/// given to them count as the widest.
struct Rank: Sendable, Hashable {
    private let a: UInt64
    private let b: UInt64
    private let c: UInt64
    private let d: UInt64

    init(_ score: Score) {
        a = Self.packed(
            (score.numaNodes, 7), (score.gpusBegun, 7), (score.gpuShareLeft, 10),
            (score.linksLost, 20), (max(0, 0xF_FFFF - score.links), 20))
        b = Self.packed(
            (score.remoteCPUs, 13), (score.besideGPUs, 1), (score.cpusBesideGPUs, 13),
            (score.distance, 18), (score.coreKinds, 2), (score.efficiencyCPUs, 13))
        c = Self.packed(
            (score.l3Domains, 10), (score.load, 10), (score.nodesBegun, 1),
            (score.numaNodesBegun, 7), (score.linksCut, 20), (score.l3Begun, 10))
        d = Self.packed((score.cpusLeft, 20), (score.nodeCPUsLeft, 20))
    }

    private static func packed(_ lines: (value: Int, width: UInt64)...) -> UInt64 {
        lines.reduce(0) { word, line in
            let most = UInt64(1) << line.width - 1
            return word << line.width | min(UInt64(max(0, line.value)), most)
        }
    }

    func isBetter(than other: Rank) -> Bool {
        if a != other.a { return a < other.a }
        if b != other.b { return b < other.b }
        if c != other.c { return c < other.c }
        return d < other.d
    }
}
