/// The language of `where`: numbers, strings, parameter names, `+ - * / %`, comparisons, `in [ … ]`, `and or not` (or `&& || !`).
public struct SweepExpression: Sendable {
    /// What is wrong, and at which character (from 0) of the text.
    public struct Malformed: Error, Sendable, Hashable {
        public let message: String
        public let offset: Int
    }

    indirect enum Node: Sendable {
        case value(ParameterValue)
        case name(String)
        case not(Node)
        case negative(Node)
        case binary(String, Node, Node)
        case among(Node, [Node])
    }

    let node: Node
    /// Parameters that it names, with the offset of each.
    public let names: [(name: String, offset: Int)]

    public init(_ text: String) throws(Malformed) {
        var parser = ExpressionParser(try ExpressionParser.tokens(of: text))
        node = try parser.parse()
        names = parser.names
    }

    /// Whether the point fulfils it. Numbers and strings never compare equal; a missing name fulfils nothing.
    public func holds(for point: Point) -> Bool {
        if case .bool(true)? = Self.evaluate(node, point) { return true }
        return false
    }

    private static func evaluate(_ node: Node, _ point: Point) -> ParameterValue? {
        switch node {
        case .value(let value): return value
        case .name(let name): return point[name]
        case .not(let inner): return truth(inner, point).map { .bool(!$0) }
        case .negative(let inner): return number(evaluate(inner, point)).map { .double(-$0) }
        case .among(let inner, let values):
            guard let value = evaluate(inner, point) else { return nil }
            return .bool(values.contains { compare("==", value, evaluate($0, point)) == true })
        case .binary("and", let a, let b):
            return truth(a, point) == true ? truth(b, point).map { .bool($0) } : .bool(false)
        case .binary("or", let a, let b):
            return truth(a, point) == true ? .bool(true) : truth(b, point).map { .bool($0) }
        case .binary(let symbol, let a, let b):
            guard let left = evaluate(a, point), let right = evaluate(b, point) else { return nil }
            if let result = compare(symbol, left, right) { return .bool(result) }
            guard let x = number(left), let y = number(right) else { return nil }
            return arithmetic(symbol, x, y).map { .double($0) }
        }
    }

    private static func truth(_ node: Node, _ point: Point) -> Bool? {
        if case .bool(let value)? = evaluate(node, point) { value } else { nil }
    }

    private static func number(_ value: ParameterValue?) -> Double? {
        switch value {
        case .int(let value)?: Double(value)
        case .double(let value)?: value
        default: nil
        }
    }

    private static func arithmetic(_ symbol: String, _ x: Double, _ y: Double) -> Double? {
        switch symbol {
        case "+": x + y
        case "-": x - y
        case "*": x * y
        case "/": x / y
        case "%": x.truncatingRemainder(dividingBy: y)
        default: nil
        }
    }

    /// Nil where the symbol is no comparison, or the two cannot be ordered.
    private static func compare(_ symbol: String, _ a: ParameterValue, _ b: ParameterValue?)
        -> Bool?
    {
        guard let b, ["==", "!=", "<", "<=", ">", ">="].contains(symbol) else { return nil }
        if let x = number(a), let y = number(b) { return ordered(symbol, x, y) }
        if case .string(let x) = a, case .string(let y) = b { return ordered(symbol, x, y) }
        return symbol == "==" ? a == b : symbol == "!=" ? a != b : nil
    }

    private static func ordered<T: Comparable>(_ symbol: String, _ x: T, _ y: T) -> Bool {
        switch symbol {
        case "==": x == y
        case "!=": x != y
        case "<": x < y
        case "<=": x <= y
        case ">": x > y
        default: x >= y
        }
    }
}
