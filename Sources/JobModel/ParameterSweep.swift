/// A rule for points: the product of its sections `grid × zip × sample × from`, less what `exclude` and `where` take away,
/// and then what `include` adds. `SweepExpansion` computes the points from it.
public struct ParameterSweep: Sendable, Equatable, Codable {
    public struct Axis: Sendable, Equatable, Codable {
        public var name: String
        public var values: AxisValues
        public init(name: String, values: AxisValues) {
            self.name = name
            self.values = values
        }
    }

    /// Rows of a file, read when the spec was read.
    public struct Table: Sendable, Equatable, Codable {
        public var names: [String]
        public var rows: [[ParameterValue]]
        public init(names: [String], rows: [[ParameterValue]]) {
            self.names = names
            self.rows = rows
        }
    }

    /// Every combination; the last axis varies fastest.
    public var grid: [Axis] = []
    /// Side by side; all of one length.
    public var zip: [Axis] = []
    public var sample: SampleSection?
    public var from: Table?
    /// A point goes where all parameters of one of these match.
    public var exclude: [Point] = []
    /// A condition that points must fulfil, in the language of `SweepExpression`.
    public var condition: String?
    /// Whole points, appended.
    public var include: [Point] = []

    public init() {}

    /// Nothing to vary: the job is one task.
    public var isEmpty: Bool { self == ParameterSweep() }
}

/// The values of one axis, as a rule where they are one.
public enum AxisValues: Sendable, Equatable, Codable {
    case list([ParameterValue])
    /// `first..last`, whole numbers, both included.
    case range(first: Int64, last: Int64)
    /// `first..last step s`: `first + i * step` for i below count.
    case steps(first: Double, step: Double, count: Int)
    /// `linspace(first, last, count)`.
    case linear(first: Double, last: Double, count: Int)
    /// `logspace(first, last, count)`: even in the logarithm, between the two values themselves.
    case logarithmic(first: Double, last: Double, count: Int)

    public var count: Int {
        switch self {
        case .list(let values): values.count
        case .range(let first, let last): Int(last - first + 1)
        case .steps(_, _, let count), .linear(_, _, let count), .logarithmic(_, _, let count): count
        }
    }

    /// Value `index`, 0 ..< count. Computed from the index and not by adding up, so that no error adds up either.
    public subscript(index: Int) -> ParameterValue {
        switch self {
        case .list(let values): return values[index]
        case .range(let first, _): return .int(first + Int64(index))
        case .steps(let first, let step, _):
            return .number((first + Double(index) * step).rounded(toDigits: 12))
        case .linear(let first, let last, let count):
            let share = count > 1 ? Double(index) / Double(count - 1) : 0
            return .number((first + (last - first) * share).rounded(toDigits: 12))
        case .logarithmic(let first, let last, let count):
            let share = count > 1 ? Double(index) / Double(count - 1) : 0
            return .number((first * RealMath.power(last / first, share)).rounded(toDigits: 12))
        }
    }
}
