/// Which ends of an attempt are followed by another one, when, and with what.
public struct RetryPolicy: Sendable, Hashable, Codable {
    public enum Cause: Sendable, Hashable, Codable {
        /// The node or the launcher went away.
        case nodeLost
        case outOfMemory
        case timeout
        /// Any failure.
        case failed
        case exit(Int32)
        case exitRange(ClosedRange<Int32>)
        case signal(Int32)
        /// A regular expression found in the attempt's output.
        case log(String)
    }

    public struct Backoff: Sendable, Hashable, Codable {
        /// Milliseconds.
        public var initial: Int64
        public var factor: Double
        public var max: Int64
        /// By which part of itself, 0 to 1, a wait may be longer or shorter, so that tasks that failed together do not come back
        /// together.
        public var jitter: Double
        public init(
            initial: Int64 = 0, factor: Double = 2, max: Int64 = 600_000, jitter: Double = 0
        ) {
            self.initial = initial
            self.factor = factor
            self.max = max
            self.jitter = jitter
        }

        /// Milliseconds to wait before attempt `number` (2 is the first retry) of a task; the same for the same arguments.
        public func delay(before number: Int, of task: TaskID) -> Int64 {
            guard initial > 0, number > 1 else { return 0 }
            var delay = Double(initial)
            for _ in 2..<number where delay < Double(max) { delay *= factor }
            let seed = [UInt64(bitPattern: task.job.rawValue), UInt64(task.index), UInt64(number)]
                .reduce(0) { SplitMix.mix($0 ^ $1) }
            delay *= 1 + jitter * (2 * SplitMix.unit(seed) - 1)
            return Int64(Swift.min(delay, Double(max)))
        }
    }

    /// Attempts in all, the first included; 1 means no retry. Those that were lost with their node are not counted.
    public var attempts: Int
    public var on: [Cause]
    /// Failures after which the job gets no more tasks to the node on which they happened.
    public var excludeNode: [Cause]
    public var backoff: Backoff
    /// Memory of the next attempt over that of one that ran out of it.
    public var memoryFactor: Double
    /// Time limit of the next attempt over that of one that passed it.
    public var timeFactor: Double

    public init() {
        attempts = 1
        on = [.failed, .nodeLost, .outOfMemory, .timeout]
        excludeNode = []
        backoff = Backoff()
        memoryFactor = 1
        timeFactor = 1
    }

    /// Attempts that a task may lose with their nodes, one after the other: more than so many are hardly the nodes' fault.
    public static let mostLosses = 10

    /// All that an end is searched for. `ExitRecord.matchedLogCauses` are places in it.
    public var causes: [Cause] { on + excludeNode }
}

// Specs that older versions stored have neither jitter, nor nodes to leave out, nor a factor of time.

extension RetryPolicy {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        attempts = try container.decode(Int.self, forKey: .attempts)
        on = try container.decode([Cause].self, forKey: .on)
        excludeNode = try container.decodeIfPresent([Cause].self, forKey: .excludeNode) ?? []
        backoff = try container.decode(Backoff.self, forKey: .backoff)
        memoryFactor = try container.decode(Double.self, forKey: .memoryFactor)
        timeFactor = try container.decodeIfPresent(Double.self, forKey: .timeFactor) ?? 1
    }
}

extension RetryPolicy.Backoff {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            initial: try container.decode(Int64.self, forKey: .initial),
            factor: try container.decode(Double.self, forKey: .factor),
            max: try container.decode(Int64.self, forKey: .max),
            jitter: try container.decodeIfPresent(Double.self, forKey: .jitter) ?? 0)
    }
}
