/// How near the GPUs of a node are to each other, and what is best done with those that are free.
struct GPULinks: Sendable {
    /// Up to here every set has its sum and its best partition at hand.
    static let tabled = 8
    /// From here on it is a direct link: NVLink, xGMI.
    static let direct = 100

    let count: Int
    private let weights: [Int32]
    /// By set: the sum of its pairs. By size of sets, then by set: the most that sets of this size can have together.
    private let sums: [Int32]
    private let partitions: [[Int32]]

    /// - Parameter matrix: of the inventory; where it is empty, NUMA nodes say what they can.
    init(_ matrix: [[Int]], numa: [Int?]) {
        let count = numa.count
        self.count = count
        var weights = [Int32](repeating: 0, count: count * count)
        for a in 0..<count {
            for b in 0..<count where a != b {
                let known = matrix.indices.contains(a) && matrix[a].indices.contains(b)
                let guess = numa[a] != nil && numa[a] == numa[b] ? 20 : 10
                weights[a * count + b] = Int32(clamping: known ? matrix[a][b] : guess)
            }
        }
        self.weights = weights
        guard count <= Self.tabled else {
            (sums, partitions) = ([], [])
            return
        }
        let sums = Self.sums(weights, count)
        self.sums = sums
        partitions = (0...count).map { Self.partitions(sums, size: $0) }
    }

    func weight(_ a: Int, _ b: Int) -> Int { Int(weights[a * count + b]) }
    private var isTabled: Bool { count <= Self.tabled }

    /// Over the pairs of a set.
    func sum(_ set: GPUSet) -> Int {
        if isTabled { return Int(sums[Int(set.bits)]) }
        var sum = 0
        for a in set {
            for b in set where b < a { sum += weight(a, b) }
        }
        return sum
    }

    /// Over the pairs of one of each.
    func sum(_ set: GPUSet, with others: GPUSet) -> Int {
        if isTabled { return sum(set | others) - sum(set) - sum(others) }
        var sum = 0
        for a in set { for b in others { sum += weight(a, b) } }
        return sum
    }

    /// By how much the rest can be parted worse into sets of the same size than all could; 0 of more GPUs than are tabled.
    func loss(taking set: GPUSet, of all: GPUSet) -> Int {
        guard isTabled else { return 0 }
        let best = partitions[set.count]
        return Int(best[Int(all.bits)] - best[Int((all - set).bits)]) - sum(set)
    }

    /// Each has a direct link to each other.
    func areDirect(_ set: GPUSet) -> Bool { set.count < 2 || weakest(set) >= Self.direct }

    /// Least nearness of two of them; 0 where there are no two.
    func weakest(_ set: GPUSet) -> Int {
        var least = Int.max
        for a in set {
            for b in set where b < a { least = min(least, weight(a, b)) }
        }
        return least == .max ? 0 : least
    }

    private static func sums(_ weights: [Int32], _ count: Int) -> [Int32] {
        var sums = [Int32](repeating: 0, count: 1 << count)
        for set in 1..<max(1, 1 << count) {
            let first = set.trailingZeroBitCount
            let rest = set & (set - 1)
            sums[set] = sums[rest]
            for other in 0..<count where rest & 1 << other != 0 {
                sums[set] += weights[first * count + other]
            }
        }
        return sums
    }

    /// The best way to part every set into sets of one size, some perhaps left over (go-gpuallocator's rule: the whole
    /// partition counts, so that one task's luck is not the next one's misfortune).
    private static func partitions(_ sums: [Int32], size: Int) -> [Int32] {
        var best = [Int32](repeating: 0, count: sums.count)
        guard size > 1 else { return best }
        for set in 1..<max(1, sums.count) where set.nonzeroBitCount >= size {
            let first = set & -set
            let rest = set & ~first
            best[set] = best[rest]
            // Every subset of the others that goes with the first.
            var others = rest
            while others != 0 {
                if others.nonzeroBitCount == size - 1 {
                    best[set] = max(best[set], sums[first | others] + best[rest & ~others])
                }
                others = (others - 1) & rest
            }
        }
        return best
    }
}
