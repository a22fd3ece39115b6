internal import JobModel
internal import LinuxSystem

/// Reads what an attempt tells of its search's metric while it runs, and finds in it when the attempt comes to a rung.
struct RungFollower {
    /// Bytes; what is longer is no line of metrics.
    static let longestLine = 1 << 16

    /// Milliseconds that one line of output may take.
    private static let patience: Int64 = 100

    private let policy: SearchPolicy
    /// Of a metric in the output; nil for one in a metrics file.
    private let expression: ExtendedExpression?
    private var progress: RungProgress
    private var files: [LineFollower]
    /// The one of several files in which the metric was found first: from then on it is followed alone.
    private var chosen: Int?

    init(_ policy: SearchPolicy, _ attempt: AttemptID, _ directories: TaskDirectories) {
        self.policy = policy
        progress = RungProgress(policy, attempt)
        if case .log(let pattern) = policy.metric.source {
            // One that does not compile was refused with the spec.
            expression = try? ExtendedExpression(pattern)
            files = [directories.stdout, directories.stderr].map {
                LineFollower($0, longestLine: LogMetrics.longestLine)
            }
        } else {
            expression = nil
            let path = directories.results + "/metrics.jsonl"
            files = [LineFollower(path, longestLine: Self.longestLine)]
        }
    }

    /// All that were found, in their order.
    var records: [RungRecord] { progress.records }

    /// What is new.
    mutating func read() -> (found: [RungRecord], isAtEnd: Bool) {
        var found: [RungRecord] = []
        var isAtEnd = true
        for place in files.indices {
            let look = files[place].read()
            let start = Clock.monotonic()
            found += observe(look.lines, in: place)
            files[place].note(milliseconds: Clock.monotonic() - start)
            isAtEnd = isAtEnd && look.isAtEnd
        }
        return (found, isAtEnd)
    }

    mutating func take(_ bytes: [UInt8], of place: Int = 0) -> [RungRecord] {
        let lines = files[place].take(bytes)
        return observe(lines, in: place)
    }

    private mutating func observe(_ lines: [ArraySlice<UInt8>], in place: Int) -> [RungRecord] {
        guard chosen ?? place == place else { return [] }
        return lines.flatMap { line in
            let found = expression.map { matches(of: $0, line) } ?? fields(line)
            if !found.isEmpty { chosen = place }
            return found.flatMap { progress.observe(step: $0.step, value: $0.value) }
        }
    }

    private func matches(of expression: ExtendedExpression, _ line: ArraySlice<UInt8>)
        -> [(step: Double?, value: Double?)]
    {
        let deadline = Clock.monotonic() + Self.patience
        return expression.firstGroups(in: line, until: deadline).map {
            (nil, LogMetrics.number(line[$0]))
        }
    }

    private func fields(_ line: ArraySlice<UInt8>) -> [(step: Double?, value: Double?)] {
        guard let fields = FlatObject(line)?.fields,
            let value = fields.last(where: { $0.name == policy.metric.name })
        else { return [] }
        func number(_ name: String) -> Double? {
            fields.last { $0.name == name }?.value.flatMap { $0.isFinite ? $0 : nil }
        }
        return [
            (policy.step.map(number) ?? number("step") ?? number("epoch"), value.value)
        ]
    }
}
