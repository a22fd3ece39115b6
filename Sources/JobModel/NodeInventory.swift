/// What an agent offers for placement; part of its first message. Numbers are the kernel's own, positions are indexes into
/// these arrays.
public struct NodeInventory: Sendable, Hashable, Codable {
    /// CPUs and the memory nearest to them.
    public struct NUMANode: Sendable, Hashable, Codable {
        public var id: Int
        /// Usable logical CPUs: online and in the agent's own affinity mask and cpuset.
        public var cpus: [Int]
        /// Bytes.
        public var memory: Int64
        /// To each NUMA node of the inventory, in its order (ACPI SLIT: 10 is the node itself); empty where unknown.
        public var distances: [Int]
        public init(id: Int, cpus: [Int], memory: Int64, distances: [Int] = []) {
            self.id = id
            self.cpus = cpus
            self.memory = memory
            self.distances = distances
        }
    }

    /// One core: its usable hardware threads.
    public struct Core: Sendable, Hashable, Codable {
        public enum Kind: String, Sendable, Codable, CaseIterable { case performance, efficiency }
        /// Logical CPUs, ascending.
        public var cpus: [Int]
        /// Cores with the same number share a last-level cache.
        public var l3: Int
        /// Nil where all cores of the machine are alike.
        public var kind: Kind?
        public init(cpus: [Int], l3: Int = 0, kind: Kind? = nil) {
            self.cpus = cpus
            self.l3 = l3
            self.kind = kind
        }
    }

    /// A GPU, or a hardware slice of one, that can be given to tasks.
    public struct GPU: Sendable, Hashable, Codable {
        public enum Vendor: String, Sendable, Codable, CaseIterable {
            case nvidia, amd, intel, other
        }
        /// UUID where the vendor has one, else the PCI address, else the qualified CDI name.
        public var id: String
        public var vendor: Vendor
        /// As the driver or the PCI IDs have it; may be empty.
        public var model: String
        /// Bytes; nil where unknown.
        public var memory: Int64?
        /// Whose CPUs are nearest; nil where unknown.
        public var numaNode: Int?
        /// A MIG device's profile (`1g.10gb`) and the GPU that it is a part of.
        public var profile: String?
        public var parent: String?
        public init(
            id: String, vendor: Vendor = .nvidia, model: String = "", memory: Int64? = nil,
            numaNode: Int? = nil, profile: String? = nil, parent: String? = nil
        ) {
            self.id = id
            self.vendor = vendor
            self.model = model
            self.memory = memory
            self.numaNode = numaNode
            self.profile = profile
            self.parent = parent
        }
    }

    public var hostname: String
    public var numaNodes: [NUMANode]
    /// Every usable CPU is in exactly one; empty where each CPU is a core of its own and all of a NUMA node share one cache.
    public var cores: [Core]
    public var gpus: [GPU]
    /// How near GPUs are to each other, square and symmetric in the order of `gpus`: 10 through another socket, 20 within a
    /// NUMA node, 30 behind one host bridge, 40 behind several PCIe switches, 50 behind one, 100 for each NVLink or xGMI link
    /// (the weights of NVIDIA's go-gpuallocator). Empty where unknown.
    public var gpuLinks: [[Int]]
    /// What constraints can name, e.g. `arch: x86_64`.
    public var labels: [String: String]
    /// Of the system; nil from agents of an older version.
    public var facts: NodeFacts?
    public init(
        hostname: String, numaNodes: [NUMANode], cores: [Core] = [], gpus: [GPU] = [],
        gpuLinks: [[Int]] = [], labels: [String: String] = [:]
    ) {
        self.hostname = hostname
        self.numaNodes = numaNodes
        self.cores = cores
        self.gpus = gpus
        self.gpuLinks = gpuLinks
        self.labels = labels
    }
    public var cpuCount: Int { numaNodes.reduce(0) { $0 + $1.cpus.count } }
    public var memory: Int64 { numaNodes.reduce(0) { $0 + $1.memory } }
}

// Agents of an older version that still run tell less: nothing of cores, links and labels, and of GPUs their UUIDs alone.
extension NodeInventory {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        hostname = try container.decode(String.self, forKey: .hostname)
        numaNodes = try container.decode([NUMANode].self, forKey: .numaNodes)
        cores = try container.decodeIfPresent([Core].self, forKey: .cores) ?? []
        gpus = try container.decode([GPU].self, forKey: .gpus)
        gpuLinks = try container.decodeIfPresent([[Int]].self, forKey: .gpuLinks) ?? []
        labels = try container.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        // What a newer one says in another form is done without.
        facts = try? container.decodeIfPresent(NodeFacts.self, forKey: .facts)
    }
}

extension NodeInventory.NUMANode {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(Int.self, forKey: .id)
        cpus = try container.decode([Int].self, forKey: .cpus)
        memory = try container.decode(Int64.self, forKey: .memory)
        distances = try container.decodeIfPresent([Int].self, forKey: .distances) ?? []
    }
}

extension NodeInventory.GPU {
    public init(from decoder: any Decoder) throws {
        if let id = try? decoder.singleValueContainer().decode(String.self) {
            self.init(id: id)
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: try container.decode(String.self, forKey: .id),
            vendor: try container.decode(Vendor.self, forKey: .vendor),
            model: try container.decode(String.self, forKey: .model),
            memory: try container.decodeIfPresent(Int64.self, forKey: .memory),
            numaNode: try container.decodeIfPresent(Int.self, forKey: .numaNode),
            profile: try container.decodeIfPresent(String.self, forKey: .profile),
            parent: try container.decodeIfPresent(String.self, forKey: .parent))
    }
}
