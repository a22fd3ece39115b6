/// The best value so far of a job's first metric, among the tasks that succeeded, were stopped, or still run, and whose it is.
public struct BestReport: Sendable, Hashable, Codable {
    public var metric: String
    public var goal: MetricGoal.Direction
    public var value: Double
    /// Its index.
    public var task: Int
    public var params: [String: ParameterValue]
    /// The task still runs: this is what it told last, and not yet its result.
    public var isRunning: Bool
    public init(
        _ goal: MetricGoal, _ value: Double, task: Int, params: [String: ParameterValue],
        isRunning: Bool = false
    ) {
        metric = goal.name
        self.goal = goal.direction
        self.value = value
        self.task = task
        self.params = params
        self.isRunning = isRunning
    }

    /// Whether it is about this metric.
    public func isOf(_ goal: MetricGoal?) -> Bool {
        goal?.name == metric && goal?.direction == self.goal
    }
}
