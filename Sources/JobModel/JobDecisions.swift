/// What was decided about a job after its submit; kept with it, as JSON. A key that is missing means
/// that nothing was.
public struct JobDecisions: Sendable, Hashable, Codable {
    /// Nodes that it is given no more, by name, and why: `retry.exclude_node`.
    public var avoided: [String: String]?
    /// The first task that failed for good, and how: `3_17: exit code 2`.
    public var firstFailure: String?
    /// Since when `limits.total` counts, where that is not the start of the first task.
    public var totalSince: Timestamp?
    public init() {}

    public var isEmpty: Bool { self == JobDecisions() }
}
