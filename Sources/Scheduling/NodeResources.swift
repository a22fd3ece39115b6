public import JobModel

/// What a node has and what of it is free.
public struct NodeResources: Sendable {
    /// What is free of cores that share a cache.
    struct DomainRoom: Sendable, Hashable {
        /// Threads, those of split cores included.
        var threads: Int32
        /// Threads of cores of which nobody has any.
        var whole: Int32
    }

    struct NUMARoom: Sendable, Hashable {
        var threads: Int32 = 0
        var whole: Int32 = 0
        /// Bytes.
        var memory: Int64
    }

    /// What one job has of the node.
    public struct Holding: Sendable, Hashable {
        public internal(set) var tasks = 0
        public internal(set) var cpus = 0
        /// Bytes.
        public internal(set) var memory: Int64 = 0
        /// Thousandths.
        public internal(set) var gpus = 0
    }

    /// A port of the node, and whose tasks have it.
    struct HeldPort: Sendable, Hashable {
        let mapping: PortMapping
        let job: JobID
    }

    /// Tasks that ask for no CPU (`cpus: 0`) which one node takes at once.
    public static let unpinnedLimit = 1000
    /// Thousandths of a GPU that is nobody's.
    static let wholeGPU = 1000

    let shape: NodeShape
    let gpuIDs: [String]
    public let labels: [String: String]
    /// A bit for each thread of the shape.
    var freeThreads: [UInt64]
    var domains: [DomainRoom]
    var numa: [NUMARoom]
    /// Thousandths of each GPU.
    var gpus: [Int16]
    /// Positions of those that get no work, whatever they have.
    var closedGPUs: Set<Int> = []
    var unpinned = 0
    /// One that wanted the node for itself has it.
    var isExclusive = false
    var heldPorts: [HeldPort] = []
    /// What runs here, by the jobs whose it is.
    public internal(set) var holdings: [JobID: Holding] = [:]

    public init(_ inventory: NodeInventory) {
        self.init(inventory, NodeShape(inventory))
    }

    /// - Parameter shape: made from an inventory that differs in nothing but names.
    init(_ inventory: NodeInventory, _ shape: NodeShape) {
        self.init(
            shape, gpuIDs: inventory.gpus.prefix(GPUSet.most).map(\.id), labels: inventory.labels)
    }

    /// One on which nothing runs.
    init(_ shape: NodeShape, gpuIDs: [String] = [], labels: [String: String] = [:]) {
        self.shape = shape
        self.gpuIDs = gpuIDs
        self.labels = labels
        freeThreads = Self.bits(shape.cpus.count)
        domains = shape.domains.map {
            DomainRoom(threads: Int32($0.threads.count), whole: Int32($0.threads.count))
        }
        numa = shape.numaNodes.map { NUMARoom(memory: $0.memory) }
        for (place, domain) in shape.domains.enumerated() {
            numa[domain.numa].threads += domains[place].threads
            numa[domain.numa].whole += domains[place].whole
        }
        gpus = .init(repeating: Int16(Self.wholeGPU), count: shape.gpus.count)
    }

    public var cpuCount: Int { shape.cpus.count }
    public var freeCPUCount: Int { numa.reduce(0) { $0 + Int($1.threads) } }
    public var memory: Int64 { shape.numaNodes.reduce(0) { $0 + $1.memory } }
    public var freeMemory: Int64 { numa.reduce(0) { $0 + $1.memory } }
    public var gpuCount: Int { shape.gpus.count }
    /// Those of which nobody has a part.
    public var freeGPUCount: Int { freeGPUs.count }
    var freeGPUs: GPUSet {
        var free = GPUSet()
        for (place, share) in gpus.enumerated()
        where Int(share) == Self.wholeGPU && !shape.gpus[place].isSliced { free.insert(place) }
        return free
    }
    /// How many of some have so many thousandths left.
    func gpus(having least: Int16, of set: GPUSet) -> Int {
        set.reduce(0) { $0 + (gpus[$1] >= least ? 1 : 0) }
    }
    /// Logical CPUs that nobody has, ascending.
    public var freeCPUs: [Int] {
        shape.cpus.indices.filter { isFree($0) }.map { shape.cpus[$0] }.sorted()
    }
    public var isIdle: Bool { holdings.isEmpty }

    func has(_ wanted: [String: String]) -> Bool {
        wanted.allSatisfy { labels[$0.key] == $0.value }
    }

    /// Who has one of these ports, or one that keeps others from it.
    func holder(of ports: [PortMapping]) -> HeldPort? {
        guard !heldPorts.isEmpty else { return nil }
        return heldPorts.first { held in ports.contains { $0.conflicts(with: held.mapping) } }
    }

    // MARK: Threads

    private static func bits(_ count: Int) -> [UInt64] {
        (0..<(count + 63) / 64).map { word in
            let left = count - word * 64
            return left >= 64 ? .max : (1 << UInt64(left)) - 1
        }
    }

    func isFree(_ thread: Int) -> Bool { freeThreads[thread >> 6] & Self.bit(thread) != 0 }

    func isWhole(_ core: Range<Int32>) -> Bool {
        core.allSatisfy { isFree(Int($0)) }
    }

    private static func bit(_ thread: Int) -> UInt64 { 1 << UInt64(thread & 63) }

    mutating func takeThread(_ thread: Int, in domain: Int) {
        guard isFree(thread) else { return }
        let core = shape.cores[thread]
        let width = isWhole(core) ? Int32(core.count) : 0
        freeThreads[thread >> 6] &= ~Self.bit(thread)
        change(domain, threads: -1, whole: -width)
    }

    mutating func giveThread(_ thread: Int, in domain: Int) {
        guard !isFree(thread) else { return }
        freeThreads[thread >> 6] |= Self.bit(thread)
        let core = shape.cores[thread]
        change(domain, threads: 1, whole: isWhole(core) ? Int32(core.count) : 0)
    }

    private mutating func change(_ domain: Int, threads: Int32, whole: Int32) {
        domains[domain].threads += threads
        domains[domain].whole += whole
        let home = shape.domains[domain].numa
        numa[home].threads += threads
        numa[home].whole += whole
    }
}
