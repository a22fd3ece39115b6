/// A program beside the server that says which points a job has, one after the other, and is told what became of them.
///
/// What it says and hears are JSON objects, one a line, on its stdout and stdin: `SamplerWord` and `SamplerAnswer`.
public struct ExternalSampler: Sendable, Equatable, Codable {
    public static let protocolVersion = 1
    /// Most points at a time that have not ended, where neither the spec nor `limits.parallel` says.
    public static let usualParallel = 4

    /// Run in `directory`, found by the server's PATH.
    public var command: [String]
    public var directory: String
    /// Points that may be open at a time; nil means `limits.parallel`.
    public var parallel: Int?
    public init(command: [String], directory: String, parallel: Int? = nil) {
        self.command = command
        self.directory = directory
        self.parallel = parallel
    }
}

/// To the sampler.
public enum SamplerWord: Sendable, Encodable {
    case hello(SampleSection, [MetricGoal])
    /// A point that an earlier process of the sampler gave.
    case known(Int, Point)
    /// How a task ended, with its last metrics.
    case tell(Int, TaskState, [String: Double])
    /// The next point is wanted. The seed depends on the sample's and on the number alone.
    case ask(Int, seed: UInt64)

    private enum Key: String, CodingKey {
        case hello, space, metrics, seed, count, point, params, tell, state, ask
    }

    public func encode(to encoder: any Encoder) throws {
        var line = encoder.container(keyedBy: Key.self)
        switch self {
        case .hello(let sample, let goals):
            try line.encode(ExternalSampler.protocolVersion, forKey: .hello)
            try line.encode(sample.space.map(Described.init), forKey: .space)
            try line.encode(
                goals.map { ["name": $0.name, "goal": $0.direction.rawValue] }, forKey: .metrics)
            try line.encode(sample.seed, forKey: .seed)
            try line.encode(sample.count, forKey: .count)
        case .known(let index, let point):
            try line.encode(index, forKey: .point)
            try line.encode(
                Dictionary(point.parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }),
                forKey: .params)
        case .tell(let index, let state, let metrics):
            try line.encode(index, forKey: .tell)
            try line.encode(state, forKey: .state)
            try line.encode(metrics.filter(\.value.isFinite), forKey: .metrics)
        case .ask(let index, let seed):
            try line.encode(index, forKey: .ask)
            try line.encode(seed, forKey: .seed)
        }
    }

    /// `{"name": "lr", "type": "loguniform", "low": 1e-5, "high": 0.1}`.
    private struct Described: Encodable {
        let dimension: SampleSection.Dimension

        init(_ dimension: SampleSection.Dimension) { self.dimension = dimension }

        private enum Key: String, CodingKey {
            case name, type, low, high, mean, deviation, choices, weights
        }

        func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: Key.self)
            try object.encode(dimension.name, forKey: .name)
            func range<T: Encodable>(_ type: String, _ low: T, _ high: T) throws {
                try object.encode(type, forKey: .type)
                try object.encode(low, forKey: .low)
                try object.encode(high, forKey: .high)
            }
            switch dimension.distribution {
            case .uniform(let low, let high): try range("uniform", low, high)
            case .loguniform(let low, let high): try range("loguniform", low, high)
            case .int(let low, let high): try range("int", low, high)
            case .normal(let mean, let deviation):
                try object.encode("normal", forKey: .type)
                try object.encode(mean, forKey: .mean)
                try object.encode(deviation, forKey: .deviation)
            case .choice(let values, let weights):
                try object.encode("choice", forKey: .type)
                try object.encode(values, forKey: .choices)
                try object.encode(weights, forKey: .weights)
            }
        }
    }
}

/// From the sampler: a point that was asked for, or that there are no more.
public struct SamplerAnswer: Sendable, Decodable {
    public var point: Int
    public var params: [String: ParameterValue]?
    public var done: Bool?

    /// In the order of the space; nil where a name is missing or there is one more.
    public func point(of space: [SampleSection.Dimension]) -> Point? {
        guard let params, params.count == space.count else { return nil }
        var point = Point()
        for dimension in space {
            guard let value = params[dimension.name] else { return nil }
            point.parameters.append(.init(name: dimension.name, value: value))
        }
        return point
    }
}

extension SampleSection {
    /// Of the point of that number: a sampler that starts from it draws the same whenever it is asked.
    public func seed(of index: Int) -> UInt64 {
        // JSON readers that know doubles alone read it whole.
        SplitMix.mix(SplitMix.mix(seed) &+ UInt64(index)) >> 33
    }
}
