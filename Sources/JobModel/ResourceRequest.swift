/// What one task needs.
public struct ResourceRequest: Sendable, Hashable, Codable {
    /// How a task's cores and memory lie to each other.
    public enum NUMA: String, Sendable, Codable, CaseIterable {
        /// On as few NUMA nodes as an empty machine would need, waiting for them; memory is preferred from there.
        case local
        /// On one NUMA node or not at all; memory comes from nowhere else.
        case strict
        /// Evenly over all NUMA nodes of the machine, memory interleaved.
        case spread
        /// Wherever there is room, memory as the kernel has it.
        case none
    }

    /// What becomes of the other hardware threads of a core that a task has a thread of.
    public enum SMT: String, Sendable, Codable, CaseIterable {
        /// Tasks have whole cores.
        case whole
        /// Hardware threads are given singly.
        case share
    }

    /// In which order nodes are filled.
    public enum Packing: String, Sendable, Codable, CaseIterable { case pack, spread }

    /// Logical CPUs; 0 reserves none and pins to none.
    public var cpus: Int
    /// Bytes; nil means no limit and no reservation.
    public var memory: Int64?
    public var gpus: GPURequest
    public var numa: NUMA
    public var smt: SMT
    /// Nodes for each task, every one with all of the above; at least 1.
    public var nodes: Int
    public var packing: Packing
    /// Nothing else runs on its nodes meanwhile.
    public var exclusive: Bool
    /// Labels that a node must have: name → value.
    public var labels: [String: String]
    /// Size of /dev/shm in bytes; nil means half of the machine's memory, as tmpfs has it.
    public var shm: Int64?
    /// Most processes and threads; nil means no limit.
    public var pids: Int64?
    public init(
        cpus: Int = 1, memory: Int64? = nil, gpus: GPURequest = GPURequest(), numa: NUMA = .local,
        shm: Int64? = nil, pids: Int64? = nil
    ) {
        self.cpus = cpus
        self.memory = memory
        self.gpus = gpus
        self.numa = numa
        self.shm = shm
        self.pids = pids
        smt = .whole
        nodes = 1
        packing = .pack
        exclusive = false
        labels = [:]
    }
}

/// Which GPUs, and how many.
public struct GPURequest: Sendable, Hashable, Codable {
    public enum Link: String, Sendable, Codable, CaseIterable {
        case any
        /// Each has a direct link (NVLink, xGMI) to each other.
        case nvlink
    }
    public var count: Int
    /// Thousandths of one GPU, 1 ..< 1000, where several tasks take turns on it (nothing keeps them from each other's memory);
    /// nil means whole ones.
    public var share: Int?
    /// Part of the model's name, in any case.
    public var model: String?
    /// Bytes, both included; nil means no bound.
    public var leastMemory: Int64?
    public var mostMemory: Int64?
    public var link: Link
    /// Of MIG devices, `1g.10gb`; nil means whole GPUs.
    public var profile: String?
    public init(_ count: Int = 0) {
        self.count = count
        link = .any
    }
}

extension GPURequest: ExpressibleByIntegerLiteral {
    public init(integerLiteral count: Int) { self.init(count) }
}

// Specs that older versions stored: what they do not name is as it was then.
extension ResourceRequest {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func value<T: Decodable>(_ key: CodingKeys, _ otherwise: T) throws -> T {
            try container.decodeIfPresent(T.self, forKey: key) ?? otherwise
        }
        let known = ResourceRequest()
        cpus = try value(.cpus, known.cpus)
        memory = try container.decodeIfPresent(Int64.self, forKey: .memory)
        gpus = try value(.gpus, known.gpus)
        // `none` was called `any`.
        numa = NUMA(rawValue: try value(.numa, known.numa.rawValue)) ?? .none
        smt = try value(.smt, known.smt)
        nodes = try value(.nodes, known.nodes)
        packing = try value(.packing, known.packing)
        exclusive = try value(.exclusive, known.exclusive)
        labels = try value(.labels, known.labels)
        shm = try container.decodeIfPresent(Int64.self, forKey: .shm)
        pids = try container.decodeIfPresent(Int64.self, forKey: .pids)
    }
}

extension GPURequest {
    private enum CodingKeys: String, CodingKey {
        case count, share, model, leastMemory, mostMemory, link, profile
    }

    public init(from decoder: any Decoder) throws {
        if let count = try? decoder.singleValueContainer().decode(Int.self) {
            self.init(count)
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(try container.decode(Int.self, forKey: .count))
        share = try container.decodeIfPresent(Int.self, forKey: .share)
        model = try container.decodeIfPresent(String.self, forKey: .model)
        leastMemory = try container.decodeIfPresent(Int64.self, forKey: .leastMemory)
        mostMemory = try container.decodeIfPresent(Int64.self, forKey: .mostMemory)
        link = try container.decode(Link.self, forKey: .link)
        profile = try container.decodeIfPresent(String.self, forKey: .profile)
    }
}

extension GPURequest {
    /// A bare number where that says all: an agent of an older version reads no more.
    public func encode(to encoder: any Encoder) throws {
        guard self != GPURequest(count) else {
            var container = encoder.singleValueContainer()
            return try container.encode(count)
        }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(count, forKey: .count)
        try container.encodeIfPresent(share, forKey: .share)
        try container.encodeIfPresent(model, forKey: .model)
        try container.encodeIfPresent(leastMemory, forKey: .leastMemory)
        try container.encodeIfPresent(mostMemory, forKey: .mostMemory)
        try container.encode(link, forKey: .link)
        try container.encodeIfPresent(profile, forKey: .profile)
    }
}

/// In which order jobs are served: the higher first, -1000 ... 1000.
public struct Priority: Sendable, Hashable, Comparable, Codable, ExpressibleByIntegerLiteral {
    public var rawValue: Int
    public init(_ rawValue: Int) { self.rawValue = rawValue }
    public init(integerLiteral value: Int) { self.init(value) }
    public static func < (a: Priority, b: Priority) -> Bool { a.rawValue < b.rawValue }

    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(Int.self))
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension KeyedDecodingContainer {
    /// Specs that older versions stored have none.
    public func decode(_ type: Priority.Type, forKey key: Key) throws -> Priority {
        try decodeIfPresent(type, forKey: key) ?? 0
    }
}
