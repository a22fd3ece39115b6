/// What ends a task, or a job, from outside.
public struct Limits: Sendable, Hashable, Codable {
    /// Wall-clock milliseconds for one attempt; nil means none.
    public var time: Int64?
    /// The same as a multiple of the median of the job's tasks that succeeded, at least 1. It holds as soon as `medianTasks` of
    /// them have, for those that run already, too.
    public var timeOverMedian: Double?
    /// Wall-clock milliseconds for the whole job, from the start of its first task; nil means none.
    public var total: Int64?
    /// Most tasks of the job at once; nil means as many as fit.
    public var parallel: Int?
    /// After how many failed tasks the rest of the job is cancelled; nil means never.
    public var failures: FailureLimit?
    public init() {}

    /// How many tasks have to succeed before their median says anything.
    public static let medianTasks = 5
}

public enum FailureLimit: Sendable, Hashable, Codable {
    case count(Int)
    /// Percent of the job's tasks, 0 to 100.
    case percent(Double)

    /// The greatest number of failed tasks that is still tolerated in a job of `total`.
    public func tolerated(of total: Int) -> Int {
        switch self {
        case .count(let count): count
        case .percent(let percent): Int(Double(total) * percent / 100)
        }
    }
}

public struct StopPolicy: Sendable, Hashable, Codable {
    /// Signal number sent first.
    public var signal: Int32
    /// Milliseconds until SIGKILL.
    public var grace: Int64
    /// Milliseconds before `limits.time`, or the multiple of the median, at which the signal is sent once, so that a task can save what it has; nil means never.
    public var before: Int64?
    public init(signal: Int32 = 15, grace: Int64 = 10_000, before: Int64? = nil) {
        self.signal = signal
        self.grace = grace
        self.before = before
    }
}
