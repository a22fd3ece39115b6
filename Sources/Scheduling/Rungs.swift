import JobModel

/// How the tasks of a job stood at the rungs of its search. The first word of a task at a rung holds.
struct Rungs: Sendable {
    /// By rung, then by the task's index.
    private var records: [Int: [Int: RungRecord]] = [:]

    /// False where the task had been at this rung already.
    @discardableResult
    mutating func note(_ record: RungRecord) -> Bool {
        let index = record.attempt.task.index
        guard records[record.rung]?[index] == nil else { return false }
        records[record.rung, default: [:]][index] = record
        return true
    }

    func has(_ index: Int, at rung: Int) -> Bool { records[rung]?[index] != nil }

    /// Why a task that has just come to a rung is to be stopped there; nil where it goes on.
    func objection(to record: RungRecord, _ policy: SearchPolicy) -> String? {
        let others = (records[record.rung] ?? [:]).values.filter {
            $0.attempt.task != record.attempt.task
        }
        switch policy.method {
        case .asha: return asha(record, others, policy)
        case .median: return median(record, others, policy)
        }
    }

    private func asha(_ record: RungRecord, _ others: [RungRecord], _ policy: SearchPolicy)
        -> String?
    {
        let count = others.count + 1
        let places = Int(Double(count) / policy.reduction)
        // Fewer have no best part yet.
        guard places > 0 else { return nil }
        let scores = (others.map { Cost($0.value, policy) } + [Cost(record.value, policy)])
            .sorted()
        // Equals are all in.
        guard Cost(record.value, policy) > scores[places - 1] else { return nil }
        let best =
            places == 1
            ? "the best of \(count) tasks has" : "the best \(places) of \(count) tasks have"
        return words(record, policy) + "\(policy.metric.name) is \(Self.text(record.value)), and "
            + "\(best) \(Self.bound(policy)) \(Self.text(scores[places - 1].value(policy)))"
    }

    private func median(_ record: RungRecord, _ others: [RungRecord], _ policy: SearchPolicy)
        -> String?
    {
        guard others.count >= policy.peers else { return nil }
        let scores = others.map { Cost($0.mean, policy) }.sorted()
        // Of an even number the worse of the two in the middle: who is between them goes on.
        let median = scores[scores.count / 2]
        guard Cost(record.best, policy) > median else { return nil }
        return words(record, policy)
            + "its best \(policy.metric.name) is \(Self.text(record.best)), "
            + "and the median of \(others.count) other tasks' averages is "
            + Self.text(median.value(policy))
    }

    private func words(_ record: RungRecord, _ policy: SearchPolicy) -> String {
        "stopped by \(policy.method.rawValue) at step \(Self.text(record.step)): "
    }

    private static func bound(_ policy: SearchPolicy) -> String {
        policy.metric.direction == .min ? "at most" : "at least"
    }

    /// Four digits are enough for a sentence.
    private static func text(_ value: Double?) -> String {
        guard let value else { return "not a number" }
        var scale = 1.0
        while abs(value) * scale < 1000, scale < 1e12 { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() && abs(rounded) < 1e15
            ? "\(Int64(rounded))" : "\(rounded)"
    }
}

/// A value of the metric as something of which less is better.
private struct Cost: Comparable {
    let cost: Double

    init(_ value: Double?, _ policy: SearchPolicy) {
        cost = value.map { policy.metric.direction == .min ? $0 : -$0 } ?? .infinity
    }

    static func < (one: Cost, other: Cost) -> Bool { one.cost < other.cost }

    func value(_ policy: SearchPolicy) -> Double? {
        guard cost.isFinite else { return nil }
        return policy.metric.direction == .min ? cost : -cost
    }
}
