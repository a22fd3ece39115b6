/// What was decided about a job after its submit, by its user or by the server; kept with it, as JSON. A key that is missing means
/// that nothing was.
public struct JobDecisions: Sendable, Hashable, Codable {
    public enum Hold: String, Sendable, Codable {
        /// Nothing of it starts.
        case held
        /// Nor does what runs go on.
        case paused
    }

    public struct Pause: Sendable, Hashable, Codable {
        public var from: Timestamp
        /// Nil while it lasts.
        public var to: Timestamp?
        public init(from: Timestamp, to: Timestamp? = nil) {
            self.from = from
            self.to = to
        }
    }

    /// In the place of the spec's.
    public var limits: Limits?
    public var priority: Priority?
    public var hold: Hold?
    /// In their order; all but the last have ended.
    public var pauses: [Pause]?
    /// Nodes that it is given no more, by name, and why: `retry.exclude_node`.
    public var avoided: [String: String]?
    /// The first task that failed for good, and how: `3_17: exit code 2`.
    public var firstFailure: String?
    /// What its user may not expect of how it runs, as it was found: sentences.
    public var notes: [String]?
    /// When tasks of it were last queued again by a person; nil in its first run.
    public var retried: Timestamp?
    /// Since when `limits.total` counts, where that is not the start of the first task.
    public var totalSince: Timestamp?
    public init() {}

    public var isEmpty: Bool { self == JobDecisions() }

    /// The same, where a clock was ahead that has been set right since.
    public func beforeOrAt(_ now: Timestamp) -> JobDecisions {
        var decisions = self
        decisions.totalSince = totalSince.map { min($0, now) }
        decisions.pauses = pauses?.map { pause in
            Pause(from: min(pause.from, now), to: pause.to.map { min($0, now) })
        }
        return decisions
    }

    /// Milliseconds of the pauses that have ended, as far as they lie between two moments.
    public func pausedTime(from start: Timestamp, to end: Timestamp? = nil) -> Int64 {
        (pauses ?? []).reduce(0) { sum, pause in
            guard let over = pause.to else { return sum }
            let last = min(over, end ?? over)
            return sum + max(0, last.milliseconds - max(pause.from, start).milliseconds)
        }
    }
}

/// What a person does to a job as a whole while it goes on.
public enum JobSteering: String, Sendable, Codable, CaseIterable {
    /// Start nothing more.
    case hold
    /// Stop what runs where it is, too.
    case pause
    /// Go on, after either.
    case release
}

extension JobSpec {
    /// As it holds now.
    public func with(_ decisions: JobDecisions) -> JobSpec {
        var spec = self
        if let limits = decisions.limits { spec.limits = limits }
        if let priority = decisions.priority { spec.priority = priority }
        return spec
    }
}
