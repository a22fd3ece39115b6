import JobModel

/// What a node is made of, and never changes while it is connected: where its threads, cores, caches and GPUs lie. Everything
/// is named by its position; nodes that are alike share one shape.
final class NodeShape: Sendable {
    /// Cores of one NUMA node that share a last-level cache and are of one kind.
    struct Domain: Sendable {
        let numa: Int
        let isEfficient: Bool
        /// Those of a core lie side by side.
        let threads: Range<Int>
        /// Threads of most of its cores.
        let coreWidth: Int
    }

    struct NUMANode: Sendable {
        let id: Int
        let memory: Int64
        let domains: Range<Int>
        let threads: Range<Int>
        let gpus: GPUSet
    }

    struct GPU: Sendable {
        let numa: Int?
        let model: String
        let memory: Int64?
        let profile: String?
        /// Others with the same are slices of the same card.
        let card: Int
        /// It was cut into slices, and is given to nobody as a whole.
        let isSliced: Bool
    }

    let numaNodes: [NUMANode]
    let domains: [Domain]
    /// Logical CPU of each thread.
    let cpus: [Int]
    /// Threads of the core of each thread.
    let cores: [Range<Int32>]
    private let domainOfThread: [Int32]
    let gpus: [GPU]
    private let homelessGPUs: GPUSet
    let links: GPULinks
    /// Sets of NUMA nodes by their number, those that lie nearest to each other first.
    let subsets: [[NUMASet]]
    /// Threads of most cores.
    let coreWidth: Int
    let hasKinds: Bool
    private let distances: [[Int]]
    private let positions: [Int32]

    /// NUMA nodes by position.
    typealias NUMASet = UInt64
    /// Bits in a `NUMASet`; what a machine has beyond is not used.
    static let mostNUMANodes = 64
    /// Up to here all sets of NUMA nodes are looked at.
    private static let enumerated = 8

    init(_ inventory: NodeInventory) {
        let known = inventory.numaNodes.prefix(Self.mostNUMANodes)
        let layout = Layout(known, inventory.cores)
        (domains, cpus, cores) = (layout.domains, layout.cpus, layout.cores)
        domainOfThread = layout.domains.enumerated().flatMap { place, domain in
            domain.threads.map { _ in Int32(place) }
        }
        hasKinds = Set(layout.domains.map(\.isEfficient)).count > 1
        coreWidth = Self.mostCommon(layout.cores)
        var positions = [Int32](repeating: -1, count: (layout.cpus.max() ?? -1) + 1)
        for (position, cpu) in layout.cpus.enumerated() { positions[cpu] = Int32(position) }
        self.positions = positions
        let gpus = Self.gpus(inventory.gpus.prefix(GPUSet.most), known)
        self.gpus = gpus
        numaNodes = known.indices.map { place in
            NUMANode(
                id: known[place].id, memory: known[place].memory,
                domains: layout.numa[place].domains, threads: layout.numa[place].threads,
                gpus: GPUSet(gpus.indices.filter { gpus[$0].numa == place }))
        }
        homelessGPUs = GPUSet(gpus.indices.filter { gpus[$0].numa == nil })
        links = GPULinks(inventory.gpuLinks, numa: gpus.map(\.numa))
        distances = known.map(\.distances)
        subsets = Self.subsets(distances)
    }

    private static func gpus(
        _ gpus: ArraySlice<NodeInventory.GPU>, _ nodes: ArraySlice<NodeInventory.NUMANode>
    ) -> [GPU] {
        let parents = gpus.map { $0.parent ?? $0.id }
        let sliced = Set(gpus.compactMap(\.parent))
        // Firmware that has one NUMA node often does not say that devices are on it.
        let only = nodes.count == 1 ? 0 : nil
        return gpus.enumerated().map { place, gpu in
            GPU(
                numa: nodes.firstIndex { $0.id == gpu.numaNode } ?? only,
                model: gpu.model.lowercased(),
                memory: gpu.memory, profile: gpu.profile,
                card: parents.firstIndex(of: parents[place]) ?? place,
                isSliced: sliced.contains(gpu.id))
        }
    }

    /// The other slices of a slice's card.
    func slices(beside gpu: Int) -> GPUSet {
        GPUSet(
            gpus.indices.filter {
                gpus[$0].card == gpus[gpu].card && $0 != gpu && !gpus[$0].isSliced
            })
    }

    /// Those of some NUMA nodes, and those that lie nowhere in particular.
    func gpus(on numa: NUMASet) -> GPUSet {
        Self.places(numa).reduce(homelessGPUs) { $0 | numaNodes[$1].gpus }
    }

    /// NUMA nodes of some GPUs.
    func homes(of gpus: GPUSet) -> NUMASet {
        var homes: NUMASet = 0
        for gpu in gpus { if let home = self.gpus[gpu].numa { homes |= 1 << NUMASet(home) } }
        return homes
    }

    /// Positions in a set, ascending.
    static func places(_ set: NUMASet) -> PositionSet { PositionSet(UInt128(set)) }

    /// Between NUMA nodes, summed over their pairs.
    func distance(_ set: NUMASet) -> Int { Self.spread(set, distances).0 }

    /// Position of a logical CPU; nil where the node has no such one.
    func position(of cpu: Int) -> Int? {
        guard positions.indices.contains(cpu), positions[cpu] >= 0 else { return nil }
        return Int(positions[cpu])
    }

    func domain(of thread: Int) -> Int { Int(domainOfThread[thread]) }

    var allNUMANodes: NUMASet { numaNodes.indices.reduce(0) { $0 | 1 << UInt64($1) } }

    static func mostCommon(_ cores: some Sequence<Range<Int32>>) -> Int {
        let widths = Dictionary(grouping: cores, by: \.count)
        return widths.max { ($0.value.count, $0.key) < ($1.value.count, $1.key) }?.key ?? 1
    }

    /// Index 0 holds the empty set. Of machines with very many NUMA nodes: each with its nearest.
    private static func subsets(_ distances: [[Int]]) -> [[NUMASet]] {
        let count = distances.count
        var found = [[NUMASet]](repeating: [], count: count + 1)
        if count <= enumerated {
            for set in 0..<(NUMASet(1) << NUMASet(count)) { found[set.nonzeroBitCount].append(set) }
        } else {
            found[0] = [0]
            for first in 0..<count {
                let near = (0..<count).sorted { a, b in
                    (distance(first, a, distances), a) < (distance(first, b, distances), b)
                }
                var set: NUMASet = 0
                for (size, other) in near.enumerated() {
                    set |= 1 << NUMASet(other)
                    if !found[size + 1].contains(set) { found[size + 1].append(set) }
                }
            }
        }
        return found.map { sets in
            sets.sorted { spread($0, distances) < spread($1, distances) }
        }
    }

    private static func distance(_ a: Int, _ b: Int, _ distances: [[Int]]) -> Int {
        // ACPI 6.5, 5.2.17: 10 is a node's own; 20 stands for another where nothing is known.
        guard a != b else { return 0 }
        return distances[a].indices.contains(b) ? distances[a][b] : 20
    }

    private static func spread(_ set: NUMASet, _ distances: [[Int]]) -> (Int, NUMASet) {
        guard set & (set &- 1) != 0 else { return (0, lowestFirst(set)) }
        var sum = 0
        for a in places(set) {
            for b in places(set) where b < a { sum += distance(a, b, distances) }
        }
        // Of two equally near, the one with the lowest positions.
        return (sum, lowestFirst(set))
    }

    private static func lowestFirst(_ set: NUMASet) -> NUMASet {
        var (reversed, left) = (NUMASet(0), set)
        while left != 0 {
            reversed |= 1 << NUMASet(63 - left.trailingZeroBitCount)
            left &= left - 1
        }
        return ~reversed
    }
}

extension NodeShape {
    /// Threads in the order NUMA node, kind, cache, core: what lies together stands together.
    struct Layout {
        var numa: [(domains: Range<Int>, threads: Range<Int>)] = []
        var domains: [Domain] = []
        var cpus: [Int] = []
        var cores: [Range<Int32>] = []
        /// Beyond this many caches those of a NUMA node are taken for one.
        private static let mostDomains = 256

        init(_ nodes: ArraySlice<NodeInventory.NUMANode>, _ cores: [NodeInventory.Core]) {
            let mergesCaches = Set(cores.map(\.l3)).count + nodes.count > Self.mostDomains / 2
            var home: [Int: Int] = [:]
            for (place, node) in nodes.enumerated() {
                for cpu in node.cpus where cpu >= 0 && home[cpu] == nil { home[cpu] = place }
            }
            var found: [[NodeInventory.Core]] = .init(repeating: [], count: nodes.count)
            for core in cores {
                for (place, cpus) in Dictionary(grouping: core.cpus, by: { home[$0] }) {
                    guard let place else { continue }
                    for cpu in cpus { home[cpu] = nil }
                    let l3 = mergesCaches ? 0 : core.l3
                    found[place].append(.init(cpus: Set(cpus).sorted(), l3: l3, kind: core.kind))
                }
            }
            // What no core names is one of its own.
            for (cpu, place) in home { found[place].append(.init(cpus: [cpu], l3: -1)) }
            for cores in found { add(cores) }
        }

        private mutating func add(_ cores: [NodeInventory.Core]) {
            func key(_ core: NodeInventory.Core) -> (Int, Int, Int) {
                (core.kind == .efficiency ? 1 : 0, core.l3, core.cpus.first ?? 0)
            }
            let (firstDomain, firstThread) = (domains.count, cpus.count)
            var last: (Int, Int)?
            for core in cores.sorted(by: { key($0) < key($1) }) {
                let start = cpus.count
                cpus += core.cpus
                for _ in core.cpus { self.cores.append(Int32(start)..<Int32(cpus.count)) }
                let (kind, l3, _) = key(core)
                let begin =
                    last.map { $0 == (kind, l3) } == true
                    ? domains.removeLast().threads.lowerBound : start
                domains.append(
                    Domain(
                        numa: numa.count, isEfficient: kind == 1, threads: begin..<cpus.count,
                        coreWidth: NodeShape.mostCommon(self.cores[begin...])))
                last = (kind, l3)
            }
            numa.append((firstDomain..<domains.count, firstThread..<cpus.count))
        }
    }
}
