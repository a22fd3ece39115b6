/// Where a task stands. `unknown` is never success: without an exit record nobody guesses.
public enum TaskState: String, Sendable, Codable, CaseIterable {
    case queued, running, succeeded, failed, cancelled, lost
    /// Ended early by its job's search, which is as good as a success.
    case stopped

    public var isFinal: Bool {
        switch self {
        case .queued, .running: false
        case .succeeded, .failed, .cancelled, .lost, .stopped: true
        }
    }
}

/// Where a job stands, derived from its tasks.
public enum JobState: String, Sendable, Codable {
    /// The image is being fetched, or a dependency is awaited.
    case waiting
    case queued, running, succeeded, failed, cancelled
    /// Work is left, and something outside stops it (no image, no room on the disk); see the job's reason.
    case held

    public var isFinal: Bool {
        switch self {
        case .waiting, .queued, .running, .held: false
        case .succeeded, .failed, .cancelled: true
        }
    }
}

/// How an attempt ended, from `waitid` alone.
public enum ExitStatus: Sendable, Hashable, Codable {
    case code(Int32)
    case signal(Int32)
    /// The container could not be started: which step failed, on what, and why.
    case startFailure(step: String, subject: String, errno: Int32)
    /// No exit record exists and none will: launcher killed, node gone.
    case lost(String)
    /// Cancelled before it started.
    case neverStarted
}

/// Which means held a task to its share; every bound names the strongest that was reached.
public struct Enforcement: Sendable, Hashable, Codable {
    /// `cgroup-v2`, `cgroup-v1`, `rlimit`, `affinity` or `none`.
    public var cpu: String
    public var memory: String
    public var pids: String
    /// What keeps it on its very CPUs: `cgroup-v2`, `cgroup-v1`, `affinity`, which a task can widen, or `none`.
    public var cpuBinding = "none"
    /// What keeps its memory on its NUMA nodes whatever it does: `cgroup-v2`, `cgroup-v1` or `none`.
    public var memoryBinding = "none"
    /// The policy that it was started with: `bind`, `preferred-many`, `preferred` (before Linux 5.15, of one node), `interleave`
    /// or `none`.
    public var memoryPolicy = "none"
    public init(cpu: String, memory: String, pids: String) {
        self.cpu = cpu
        self.memory = memory
        self.pids = pids
    }

    /// Older agents told nothing of binding.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func word(_ key: CodingKeys) throws -> String {
            try container.decodeIfPresent(String.self, forKey: key) ?? "none"
        }
        self.init(cpu: try word(.cpu), memory: try word(.memory), pids: try word(.pids))
        cpuBinding = try word(.cpuBinding)
        memoryBinding = try word(.memoryBinding)
        memoryPolicy = try word(.memoryPolicy)
    }
}

/// Resources of a node given to one attempt.
public struct Placement: Sendable, Hashable, Codable {
    public var node: String
    /// Logical CPU numbers, ascending.
    public var cpus: [Int]
    public var numaNodes: [Int]
    /// `NodeInventory.GPU.id` of each.
    public var gpus: [String]
    /// Thousandths of the one GPU, where it is shared; nil means whole ones.
    public var gpuShare: Int?
    public init(
        node: String, cpus: [Int], numaNodes: [Int], gpus: [String] = [], gpuShare: Int? = nil
    ) {
        self.node = node
        self.cpus = cpus
        self.numaNodes = numaNodes
        self.gpus = gpus
        self.gpuShare = gpuShare
    }
}
