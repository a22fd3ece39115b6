/// Which rows somebody wants to see, and in which order.
extension ResultsReport {
    /// What conditions and orders may name: parameters, metrics, `index`, `state` and `seconds`.
    public var everyName: [String] {
        parameterNames + metricNames + ["index", "state", "seconds"]
    }

    /// Keeps the rows that fulfil a condition in the language of the sweep's `where`. What a row lacks fulfils nothing.
    /// - Throws: where the condition cannot be read, or names what no row has.
    public mutating func keep(where text: String) throws(SweepExpression.Malformed) {
        let condition = try SweepExpression(text)
        let known = everyName
        for (name, offset) in condition.names where !known.contains(name) {
            throw SweepExpression.Malformed(
                message:
                    "no result is called '\(name)'; there are \(known.joined(separator: ", "))",
                offset: offset)
        }
        points.removeAll { !condition.holds(for: Point($0.fields)) }
    }

    /// By one name; rows that lack it come last. A metric with a goal has its best first, all else rises.
    /// - Returns: false where no row has such a thing.
    public mutating func sort(by name: String, isReversed: Bool) -> Bool {
        guard everyName.contains(name) else { return false }
        let isFalling = (goals.first { $0.name == name }?.direction == .max) != isReversed
        let keyed = points.map { row in
            (row, row.fields.first { $0.name == name }?.value)
        }
        points = keyed.sorted { one, other in
            switch (one.1, other.1) {
            case (let a?, let b?):
                if Self.precedes(a, b) { return !isFalling }
                if Self.precedes(b, a) { return isFalling }
            case (.some, nil): return true
            case (nil, .some): return false
            case (nil, nil): break
            }
            return one.0.index < other.0.index
        }.map(\.0)
        return true
    }

    /// Numbers before texts, which are ordered as texts.
    private static func precedes(_ a: ParameterValue, _ b: ParameterValue) -> Bool {
        switch (a.number, b.number) {
        case (let x?, let y?): x < y
        case (.some, nil): true
        case (nil, .some): false
        case (nil, nil): a.description < b.description
        }
    }
}

extension ResultsReport.Row {
    /// A parameter stands before a metric of the same name, and both before what every row has.
    fileprivate var fields: [Point.Parameter] {
        params.map { Point.Parameter(name: $0.key, value: $0.value) }
            + metrics.map { Point.Parameter(name: $0.key, value: .number($0.value)) }
            + [
                Point.Parameter(name: "index", value: .int(Int64(index))),
                Point.Parameter(name: "state", value: .string(state.rawValue)),
            ] + (seconds.map { [Point.Parameter(name: "seconds", value: .number($0))] } ?? [])
    }
}

extension ParameterValue {
    fileprivate var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        case .bool, .string: nil
        }
    }
}
