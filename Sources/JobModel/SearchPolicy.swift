/// `search`: running tasks end early whose metric falls behind that of the others.
///
/// Tasks are compared at rungs, which are steps of their own counting. Nothing here is left to chance.
public struct SearchPolicy: Sendable, Hashable, Codable {
    public enum Method: String, Sendable, Codable, CaseIterable {
        /// Asynchronous successive halving, in the variant that stops (Li et al. 2020, arXiv:1810.05934; the rule of Syne Tune's
        /// `StoppingRungSystem`): at steps min · reductionⁱ a task goes on only among the best 1/reduction of those that have come so far.
        case asha
        /// The median stopping rule (Golovin et al. 2017, Vizier): at steps min · i a task goes on only while its best value is no
        /// worse than the median of the other tasks' averages up to that step.
        case median
    }

    public var method: Method
    public var metric: MetricGoal
    /// Which field of a line counts its steps; nil means `step`, or else `epoch`, or else the lines themselves.
    public var step: String?
    /// The first rung's step, above 0.
    public var min: Double
    /// From here on no task is stopped; nil means that there is no such step.
    public var max: Double?
    /// Of asha, at least 2.
    public var reduction: Double
    /// Of median: how many other tasks have to have come as far, at least 1.
    public var peers: Int

    /// A search for steps below which nobody waits longer.
    public static let mostRungs = 1000

    public init(_ method: Method, _ metric: MetricGoal) {
        self.method = method
        self.metric = metric
        min = 1
        reduction = 3
        peers = 3
    }

    /// Nil where there is no such rung.
    public func step(ofRung rung: Int) -> Double? {
        guard (0..<Self.mostRungs).contains(rung) else { return nil }
        var step = min
        switch method {
        case .asha: for _ in 0..<rung where step.isFinite { step *= reduction }
        case .median: step = min * Double(rung + 1)
        }
        guard step.isFinite, max.map({ step < $0 }) ?? true else { return nil }
        return step
    }
}

/// Where a task stood when it came to a rung.
public struct RungRecord: Sendable, Hashable, Codable {
    public var attempt: AttemptID
    public var rung: Int
    /// Of the first line at the rung or after it.
    public var step: Double
    /// Its value, the mean of all up to it, and the best of them; nil is worse than any number.
    public var value: Double?
    public var mean: Double?
    public var best: Double?
    public init(
        attempt: AttemptID, rung: Int, step: Double, value: Double?, mean: Double?, best: Double?
    ) {
        self.attempt = attempt
        self.rung = rung
        self.step = step
        self.value = value
        self.mean = mean
        self.best = best
    }
}

/// From the values of one attempt to its rungs: however often it reports, little is passed on.
public struct RungProgress: Sendable {
    private let policy: SearchPolicy
    private let attempt: AttemptID
    private var next = 0
    private var count = 0
    private var sum = 0.0
    private var best: Double?
    /// In the order in which they were reached.
    public private(set) var records: [RungRecord] = []

    public init(_ policy: SearchPolicy, _ attempt: AttemptID) {
        self.policy = policy
        self.attempt = attempt
    }

    /// One line that tells of the metric.
    /// - Parameters:
    ///   - step: nil where the line has none.
    ///   - value: nil where it is not a number.
    /// - Returns: the rungs that are reached by it.
    public mutating func observe(step: Double?, value: Double?) -> [RungRecord] {
        count += 1
        let value = value.flatMap { $0.isFinite ? $0 : nil }
        sum += value ?? .nan
        if let value {
            best = best.map { policy.metric.isBetter(value, than: $0) ? value : $0 } ?? value
        }
        let mean = sum / Double(count)
        let here = step ?? Double(count)
        let first = records.count
        while let rung = policy.step(ofRung: next), rung <= here {
            records.append(
                RungRecord(
                    attempt: attempt, rung: next, step: here, value: value,
                    mean: mean.isFinite ? mean : nil, best: best))
            next += 1
        }
        return Array(records[first...])
    }
}
