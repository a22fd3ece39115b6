/// Text of a `where` → its tree, by precedence: or, and, not, comparison, sum, product, sign.
struct ExpressionParser {
    enum Token: Hashable {
        case number(ParameterValue)
        case string(String)
        case name(String)
        case symbol(String)
    }

    private let tokens: [(token: Token, offset: Int)]
    private let end: Int
    private var position = 0
    private(set) var names: [(name: String, offset: Int)] = []

    init(_ scanned: (tokens: [(token: Token, offset: Int)], end: Int)) {
        (tokens, end) = scanned
    }

    // MARK: Tokens

    static func tokens(
        of text: String
    ) throws(SweepExpression.Malformed) -> (tokens: [(token: Token, offset: Int)], end: Int) {
        let characters = Array(text)
        var tokens: [(token: Token, offset: Int)] = []
        var at = 0
        func take(while condition: (Character) -> Bool) -> String {
            let start = at
            while at < characters.count, condition(characters[at]) { at += 1 }
            return String(characters[start..<at])
        }
        while at < characters.count {
            let character = characters[at]
            let start = at
            if character.isWhitespace {
                at += 1
            } else if character.isNumber
                || (character == "." && at + 1 < characters.count && characters[at + 1].isNumber)
            {
                var word = take { $0.isNumber || $0 == "." || $0 == "e" || $0 == "E" }
                if word.last == "e" || word.last == "E", at < characters.count,
                    "+-".contains(characters[at])
                {
                    word.append(characters[at])
                    at += 1
                    word += take { $0.isNumber }
                }
                guard
                    let value = Int64(word).map(ParameterValue.int)
                        ?? Double(word).map(ParameterValue.double)
                else {
                    throw .init(message: "'\(word)' is not a number", offset: start)
                }
                tokens.append((.number(value), start))
            } else if character.isLetter || character == "_" {
                tokens.append(
                    (.name(take { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }), start))
            } else if character == "\"" || character == "'" {
                at += 1
                let word = take { $0 != character }
                guard at < characters.count else {
                    throw .init(message: "the string does not end", offset: start)
                }
                at += 1
                tokens.append((.string(word), start))
            } else {
                let two = String(characters[at..<min(at + 2, characters.count)])
                let symbol =
                    ["==", "!=", "<=", ">=", "&&", "||"].contains(two) ? two : String(character)
                guard symbol.count == 2 || "+-*/%<>!()[],=".contains(symbol) else {
                    throw .init(message: "'\(symbol)' means nothing here", offset: start)
                }
                at += symbol.count
                tokens.append((.symbol(symbol), start))
            }
        }
        return (tokens, characters.count)
    }

    // MARK: Tree

    mutating func parse() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        let node = try either()
        guard position == tokens.count else {
            throw .init(message: "an operator is missing before this", offset: offset)
        }
        return node
    }

    private var offset: Int { position < tokens.count ? tokens[position].offset : end }

    private mutating func accept(_ words: String...) -> String? {
        guard position < tokens.count else { return nil }
        switch tokens[position].token {
        case .symbol(let word) where words.contains(word),
            .name(let word) where words.contains(word):
            position += 1
            return word
        default: return nil
        }
    }

    private mutating func expect(_ symbol: String) throws(SweepExpression.Malformed) {
        guard accept(symbol) != nil else {
            throw .init(message: "'\(symbol)' is missing", offset: offset)
        }
    }

    private mutating func either() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        var node = try both()
        while accept("or", "||") != nil { node = .binary("or", node, try both()) }
        return node
    }

    private mutating func both() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        var node = try negation()
        while accept("and", "&&") != nil { node = .binary("and", node, try negation()) }
        return node
    }

    private mutating func negation() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        accept("not", "!") != nil ? .not(try negation()) : try comparison()
    }

    private mutating func comparison() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        let left = try sum()
        if accept("in") != nil { return .among(left, try list()) }
        if accept("not") != nil {
            try expect("in")
            return .not(.among(left, try list()))
        }
        guard let symbol = accept("==", "!=", "<=", ">=", "<", ">", "=") else { return left }
        return .binary(symbol == "=" ? "==" : symbol, left, try sum())
    }

    private mutating func list() throws(SweepExpression.Malformed) -> [SweepExpression.Node] {
        let close = accept("(") != nil ? ")" : "]"
        if close == "]" { try expect("[") }
        var values = [try sum()]
        while accept(",") != nil { values.append(try sum()) }
        try expect(close)
        return values
    }

    private mutating func sum() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        var node = try product()
        while let symbol = accept("+", "-") { node = .binary(symbol, node, try product()) }
        return node
    }

    private mutating func product() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        var node = try factor()
        while let symbol = accept("*", "/", "%") { node = .binary(symbol, node, try factor()) }
        return node
    }

    private mutating func factor() throws(SweepExpression.Malformed) -> SweepExpression.Node {
        if accept("-") != nil { return .negative(try factor()) }
        if accept("(") != nil {
            let node = try either()
            try expect(")")
            return node
        }
        guard position < tokens.count else {
            throw .init(message: "a value is missing at the end", offset: end)
        }
        let (token, at) = tokens[position]
        position += 1
        switch token {
        case .number(let value): return .value(value)
        case .string(let text): return .value(.string(text))
        case .name("true"): return .value(.bool(true))
        case .name("false"): return .value(.bool(false))
        case .name(let name):
            names.append((name, at))
            return .name(name)
        case .symbol(let symbol):
            throw .init(message: "a value is missing before '\(symbol)'", offset: at)
        }
    }
}
