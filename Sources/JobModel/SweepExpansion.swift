/// What cannot be expanded.
public struct SweepError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A sweep's points by number. Nothing is stored that can be computed: a million points of a grid cost what one costs.
/// Only `exclude` and `where` make it look at every point once, and keep four bytes for each that is left.
public struct SweepExpansion: Sendable {
    private let sweep: ParameterSweep
    private let baseCount: Int
    /// Base points that are left; nil means all.
    private let kept: [UInt32]?
    /// In the order of the sections.
    public let names: [String]
    public let count: Int
    /// What a sampler has given so far.
    private var given: [Point]?

    /// Most points of a sweep: a byte of memory each at most, and seconds to look at all of them. More is a typing error.
    public static let limit = 100_000_000

    public init(_ sweep: ParameterSweep) throws(SweepError) {
        self.sweep = sweep
        baseCount = try Self.baseCount(sweep)
        var names = Self.baseNames(sweep)
        for point in sweep.include {
            for parameter in point.parameters where !names.contains(parameter.name) {
                names.append(parameter.name)
            }
        }
        self.names = names
        kept = try Self.filter(sweep, baseCount)
        given = sweep.sample?.sampler.map { _ in [] }
        count = (kept?.count ?? baseCount) + sweep.include.count
        guard count > 0 else { throw SweepError("the sweep has no point left") }
    }

    /// The next point of a sampler.
    public mutating func give(_ point: Point) { given?.append(point) }

    /// Point `index`, 0 ..< count; without parameters where a sampler has not given it yet.
    public func point(at index: Int) -> Point {
        if let given { return index < given.count ? given[index] : Point() }
        let base = kept?.count ?? baseCount
        guard index < base else { return sweep.include[index - base] }
        return Self.basePoint(sweep, kept.map { Int($0[index]) } ?? index)
    }

    private static func baseNames(_ sweep: ParameterSweep) -> [String] {
        sweep.grid.map(\.name) + sweep.zip.map(\.name) + (sweep.sample?.space.map(\.name) ?? [])
            + (sweep.from?.names ?? [])
    }

    private static func baseCount(_ sweep: ParameterSweep) throws(SweepError) -> Int {
        var count = 1
        var sections = sweep.grid.map(\.values.count)
        if let first = sweep.zip.first { sections.append(first.values.count) }
        if let sample = sweep.sample { sections.append(sample.count) }
        if let table = sweep.from { sections.append(table.rows.count) }
        // A sweep of included points alone has no other.
        if sections.isEmpty, !sweep.include.isEmpty { return 0 }
        for section in sections {
            let (product, overflow) = count.multipliedReportingOverflow(by: section)
            guard !overflow, product <= limit else {
                throw SweepError("the sweep has too many points: at most \(limit)")
            }
            count = product
        }
        return count
    }

    private static func filter(_ sweep: ParameterSweep, _ count: Int) throws(SweepError)
        -> [UInt32]?
    {
        guard !sweep.exclude.isEmpty || sweep.condition != nil else { return nil }
        var condition: SweepExpression?
        if let text = sweep.condition {
            do throws(SweepExpression.Malformed) { condition = try SweepExpression(text) } catch {
                throw SweepError(error.message)
            }
        }
        var kept: [UInt32] = []
        for index in 0..<count {
            let point = basePoint(sweep, index)
            if let condition, !condition.holds(for: point) { continue }
            if sweep.exclude.contains(where: { matches($0, point) }) { continue }
            kept.append(UInt32(index))
        }
        return kept
    }

    private static func matches(_ pattern: Point, _ point: Point) -> Bool {
        pattern.parameters.allSatisfy { wanted in
            guard let value = point[wanted.name] else { return false }
            return value == wanted.value
        }
    }

    /// Mixed radix, the last section fastest.
    private static func basePoint(_ sweep: ParameterSweep, _ index: Int) -> Point {
        var rest = index
        func digit(_ radix: Int) -> Int {
            defer { rest /= radix }
            return rest % radix
        }
        let row = sweep.from.map { digit($0.rows.count) }
        let draw = sweep.sample.map { digit($0.count) }
        let step = sweep.zip.first.map { digit($0.values.count) }
        let places = sweep.grid.reversed().map { digit($0.values.count) }.reversed()
        var parameters = zip(sweep.grid, places).map {
            Point.Parameter(name: $0.name, value: $0.values[$1])
        }
        if let step {
            parameters += sweep.zip.map { Point.Parameter(name: $0.name, value: $0.values[step]) }
        }
        if let sample = sweep.sample, let draw {
            parameters += sample.space.indices.map {
                Point.Parameter(name: sample.space[$0].name, value: sample.value($0, at: draw))
            }
        }
        if let table = sweep.from, let row {
            parameters += zip(table.names, table.rows[row]).map {
                Point.Parameter(name: $0, value: $1)
            }
        }
        return Point(parameters)
    }
}
