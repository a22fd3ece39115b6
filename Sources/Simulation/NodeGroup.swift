public import JobModel

/// Machines that are alike, as a person describes them.
public struct NodeGroup: Sendable, Hashable {
    public struct GPUs: Sendable, Hashable {
        public enum Link: String, Sendable, CaseIterable { case pcie, nvlink }
        public var count: Int
        public var model: String
        /// Bytes; nil where it does not matter.
        public var memory: Int64?
        public var link: Link
        public init(count: Int, model: String = "", memory: Int64? = nil, link: Link = .pcie) {
            self.count = count
            self.model = model
            self.memory = memory
            self.link = link
        }
    }

    /// Of each node: `node-01`, or the name itself where there is one node alone.
    public var name: String
    public var count = 1
    public var packages = 1
    /// In all packages together.
    public var numaNodes = 1
    /// In all packages together; at least one a NUMA node.
    public var cores = 1
    /// Hardware threads of each core.
    public var smt = 1
    /// Last-level caches in all packages together; nil means one a NUMA node.
    public var l3Domains: Int?
    /// Bytes in all.
    public var memory: Int64 = 4 << 30
    public var gpus = GPUs(count: 0)
    public var labels: [String: String] = [:]
    public var failures: NodeFailures?
    /// A captured /sys and /proc to take the hardware from instead.
    public var sysroot: String?
    public init(name: String) { self.name = name }

    /// Its nodes, all with this inventory or with the one that is described.
    public func nodes(_ captured: NodeInventory? = nil) -> [Scenario.Node] {
        let width = String(count).count
        return (1...max(1, count)).map { number in
            let digits = String(number)
            let padded = String(repeating: "0", count: width - digits.count) + digits
            let name = count == 1 ? name : "\(name)-\(padded)"
            var inventory = captured ?? inventory
            inventory.hostname = name
            inventory.labels.merge(labels) { $1 }
            return Scenario.Node(name: name, inventory: inventory, failures: failures)
        }
    }
}

extension NodeGroup {
    /// CPUs are numbered as Linux mostly does: the first threads of all cores, then the second ones.
    var inventory: NodeInventory {
        let domains = max(numaNodes, l3Domains ?? numaNodes)
        func part(_ core: Int, of parts: Int) -> Int { core * parts / cores }
        let all = (0..<cores).map { core in
            NodeInventory.Core(
                cpus: (0..<smt).map { core + $0 * cores }, l3: part(core, of: domains))
        }
        let numa = (0..<numaNodes).map { id in
            NodeInventory.NUMANode(
                id: id,
                cpus: all.indices.filter { part($0, of: numaNodes) == id }
                    .flatMap { all[$0].cpus }.sorted(),
                memory: memory / Int64(numaNodes), distances: distances(from: id))
        }
        return NodeInventory(
            hostname: name, numaNodes: numa, cores: all, gpus: gpuList, gpuLinks: gpuLinks,
            labels: labels)
    }

    private func package(of numaNode: Int) -> Int { numaNode * packages / numaNodes }

    /// As firmware mostly has it.
    private func distances(from id: Int) -> [Int] {
        (0..<numaNodes).map { $0 == id ? 10 : package(of: $0) == package(of: id) ? 12 : 32 }
    }

    private func numaNode(ofGPU gpu: Int) -> Int { gpu * numaNodes / max(1, gpus.count) }

    private var gpuList: [NodeInventory.GPU] {
        (0..<gpus.count).map {
            NodeInventory.GPU(
                id: "GPU-\($0)", model: gpus.model, memory: gpus.memory,
                numaNode: numaNode(ofGPU: $0))
        }
    }

    /// NVLink through switches: each to each by 12 of them; PCIe by where the slots are.
    private var gpuLinks: [[Int]] {
        (0..<gpus.count).map { a in
            (0..<gpus.count).map { b in
                if a == b { return 0 }
                if gpus.link == .nvlink { return 1200 }
                let (left, right) = (numaNode(ofGPU: a), numaNode(ofGPU: b))
                if left == right { return 30 }
                return package(of: left) == package(of: right) ? 20 : 10
            }
        }
    }
}
