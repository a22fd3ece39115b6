public import JobModel

/// All that a simulation is made from. The same scenario gives the same outcome.
public struct Scenario: Sendable {
    public struct Node: Sendable {
        public var name: String
        public var inventory: NodeInventory
        /// Nil where it never fails.
        public var failures: NodeFailures?
        public init(name: String, inventory: NodeInventory, failures: NodeFailures? = nil) {
            self.name = name
            self.inventory = inventory
            self.failures = failures
        }
    }

    public struct Job: Sendable {
        public var spec: JobSpec
        public var taskCount: Int
        /// Milliseconds from the beginning to its submission.
        public var submitted: Int64
        public var duration: TaskDuration
        public init(
            _ spec: JobSpec, taskCount: Int, submitted: Int64 = 0, duration: TaskDuration
        ) {
            self.spec = spec
            self.taskCount = taskCount
            self.submitted = submitted
            self.duration = duration
        }
    }

    public var nodes: [Node]
    /// Numbered from 1 by the time of their submission, and in this order at the same time.
    public var jobs: [Job]
    public var seed: UInt64
    public init(nodes: [Node], jobs: [Job], seed: UInt64 = 1) {
        self.nodes = nodes
        self.jobs = jobs
        self.seed = seed
    }
}

/// How often a node goes away with all that runs on it, both exponentially distributed.
public struct NodeFailures: Sendable, Hashable {
    /// Milliseconds of work between two failures, on average; above 0.
    public var meanBetween: Int64
    /// Milliseconds until it is back, on average.
    public var meanRepair: Int64
    public init(meanBetween: Int64, meanRepair: Int64) {
        self.meanBetween = meanBetween
        self.meanRepair = meanRepair
    }
}

/// How long a job's tasks run, in milliseconds.
public enum TaskDuration: Sendable, Hashable {
    case constant(Int64)
    case uniform(Int64, Int64)
    /// Half of them are shorter than the median; sigma is the standard deviation of the logarithm.
    case lognormal(median: Int64, sigma: Double)

    /// - Parameter u: in [0, 1).
    func value(at u: Double) -> Int64 {
        switch self {
        case .constant(let value): return max(1, value)
        case .uniform(let low, let high): return max(1, low + Int64(Double(high - low) * u))
        case .lognormal(let median, let sigma):
            let z = RealMath.normalQuantile(min(max(u, 0x1p-53), 1 - 0x1p-53))
            let factor = RealMath.exponential(sigma * z)
            return max(1, Int64(min(Double(median) * factor, 0x1p52)))
        }
    }
}

/// Chance by what it is asked for, not by when: the same task takes as long whatever else happens before.
struct Chance: Sendable {
    let seed: UInt64

    /// In [0, 1).
    func unit(_ a: UInt64, _ b: UInt64) -> Double {
        SplitMix.unit(SplitMix.mix(SplitMix.mix(SplitMix.mix(seed) &+ a) &+ b))
    }

    /// Milliseconds, exponentially distributed; at least 1.
    func exponential(_ mean: Int64, _ a: UInt64, _ b: UInt64) -> Int64 {
        max(1, Int64(min(-Double(mean) * RealMath.logarithm(1 - unit(a, b)), 0x1p52)))
    }
}
