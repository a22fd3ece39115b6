/// A metric that somebody asks for: its name, what is best, and where it is read.
public struct MetricGoal: Sendable, Hashable, Codable {
    public enum Direction: String, Sendable, Codable, CaseIterable { case min, max }
    public var name: String
    public var direction: Direction
    /// Nil means lines of `MARTLET_METRICS`.
    public var source: MetricSource?
    public init(name: String, direction: Direction, source: MetricSource? = nil) {
        self.name = name
        self.direction = direction
        self.source = source
    }
}

/// Where a task leaves a metric that does not write it to `MARTLET_METRICS`.
public enum MetricSource: Sendable, Hashable, Codable {
    /// In its output: what the one group of a POSIX extended regular expression, regex(7), matched last. Within one line.
    case log(String)
    /// In a file below its results. `key`: names in JSON objects and places in arrays, with dots between; nil means the file's one
    /// number, or what an object has under the metric's own name.
    case file(String, key: String?)
}

extension MetricGoal {
    /// Strictly.
    public func isBetter(_ value: Double, than other: Double) -> Bool {
        direction == .min ? value < other : value > other
    }

    /// Without its source, which matters to the nodes alone.
    public var plain: MetricGoal { MetricGoal(name: name, direction: direction) }

    /// `min, from the output by /loss=([0-9.]+)/`.
    public var text: String {
        switch source {
        case nil: direction.rawValue
        case .log(let pattern): "\(direction.rawValue), from the output by /\(pattern)/"
        case .file(let path, let key):
            "\(direction.rawValue), from \(key.map { "\($0) of " } ?? "")\(path)"
        }
    }

    /// Why a task that has ended has no such metric, as far as one knows afterwards.
    public var absence: String {
        switch source {
        case nil: "no number of that name was written to MARTLET_METRICS"
        case .log(let pattern): "no line of the output has a number where /\(pattern)/ wants one"
        case .file(let path, let key):
            "no number in results/\(path)"
                + " (\(key.map { "at \($0)" } ?? "alone, or as \(name)"))"
        }
    }
}
