internal import JobModel

/// Scalars with units, as people write them.
enum ScalarText {
    /// `2h`, `1h 30m`, `90s`, `250ms`, `1.5d`, `01:30:00`, a bare number of seconds → milliseconds.
    static func duration(_ text: String) -> Int64? {
        let trimmed = text.filter { !$0.isWhitespace }
        if trimmed.contains(":") { return clock(trimmed) }
        if let seconds = Double(trimmed), seconds >= 0, seconds < 1e12 {
            return Int64(seconds * 1000)
        }
        let units: [String: Double] = [
            "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
        ]
        return sum(trimmed, units)
    }

    /// `8GiB`, `512M`, `1.5GB`, `64KiB`, bare bytes → bytes. K, M, G, T alone are powers of 1024, as in Slurm and Docker.
    static func size(_ text: String) -> Int64? {
        let trimmed = text.filter { !$0.isWhitespace }
        if let bytes = Int64(trimmed), bytes >= 0 { return bytes }
        var units: [String: Double] = ["b": 1]
        for (power, letter) in ["k", "m", "g", "t"].enumerated() {
            let binary = Double(Int64(1) << Int64(10 * (power + 1)))
            let decimal = (0...power).reduce(1.0) { value, _ in value * 1000 }
            units[letter] = binary
            units[letter + "ib"] = binary
            units[letter + "i"] = binary
            units[letter + "b"] = decimal
        }
        return sum(trimmed.lowercased(), units)
    }

    private static func clock(_ text: String) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard (2...3).contains(parts.count) else { return nil }
        var seconds: Int64 = 0
        for part in parts {
            guard let part, part >= 0, part < 1_000_000 else { return nil }
            seconds = seconds * 60 + part
        }
        return seconds * 1000
    }

    /// Numbers, each with its unit, added up.
    private static func sum(_ text: String, _ units: [String: Double]) -> Int64? {
        var rest = text[...]
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let value = Double(number), let factor = units[String(unit)] else { return nil }
            total += value * factor
        }
        return total < 9e18 ? Int64(total) : nil
    }

    /// `SIGTERM`, `term`, `15`.
    static func signal(_ text: String) -> Int32? {
        if let number = Int32(text), (1...64).contains(number) { return number }
        let name = text.uppercased()
        // signal(7), the numbers of x86 and ARM.
        let numbers: [String: Int32] = [
            "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8,
            "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
            "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22,
            "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29,
            "PWR": 30, "SYS": 31,
        ]
        return numbers[name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name]
    }

    /// A plain scalar by its looks, YAML 1.2 core schema; quoted ones stay text. So does what a number would not give back:
    /// `007`, and whole numbers beyond 64 bits.
    static func value(_ text: String, quoted: Bool) -> ParameterValue {
        if quoted { return .string(text) }
        if text == "true" { return .bool(true) }
        if text == "false" { return .bool(false) }
        let digits = text.drop { $0 == "+" || $0 == "-" }
        let isWhole = digits.allSatisfy(\.isNumber)
        if digits.count > 1, digits.first == "0", isWhole { return .string(text) }
        if isWhole { return Int64(text).map(ParameterValue.int) ?? .string(text) }
        let looksLikeNumber =
            text.allSatisfy { $0.isNumber || "+-.eE".contains($0) } && text.contains { $0.isNumber }
        if looksLikeNumber, let value = number(text) { return .number(value) }
        return .string(text)
    }

    /// A finite number.
    static func number(_ text: String) -> Double? {
        Double(text).flatMap { $0.isFinite ? $0 : nil }
    }
}

/// Axes that are written as a rule.
enum AxisText {
    /// Most values of an axis.
    static let limit = SweepExpansion.limit

    /// Whether it is meant as a rule, right or wrong. `../data` is a path.
    static func isRule(_ text: String) -> Bool {
        let trimmed = text.trimmed
        if ["linspace(", "logspace(", "range("].contains(where: trimmed.hasPrefix) { return true }
        let ends = trimmed.components(at: "..")
        guard ends.count > 1 else { return false }
        return Double(ends[0].trimmed) != nil
            || Double(ends[1].components(at: " step ")[0].trimmed) != nil
    }

    /// `1..5`, `0..1 step 0.25`, `linspace(a, b, n)`, `logspace(a, b, n)`. Throws what is wrong with it.
    static func parse(_ text: String) throws(SweepError) -> AxisValues {
        let trimmed = text.trimmed
        if let call = Call(trimmed) { return try function(call) }
        let words = trimmed.split(separator: " ", omittingEmptySubsequences: true)
        let joined = words.joined(separator: " ")
        let parts = joined.components(at: " step ")
        let ends = parts[0].components(at: "..")
        guard parts.count <= 2, ends.count == 2 else {
            throw SweepError("'\(trimmed)' is not a range: write 1..5 or 0..1 step 0.25")
        }
        if parts.count == 1 {
            guard let first = Int64(ends[0].trimmed), let last = Int64(ends[1].trimmed) else {
                throw SweepError(
                    "'\(trimmed)' needs whole numbers at both ends, or a step: 0..1 step 0.25")
            }
            guard first <= last else {
                throw SweepError("'\(trimmed)' is empty: it ends before it begins")
            }
            let (span, overflow) = last.subtractingReportingOverflow(first)
            guard !overflow, span < limit else { throw tooMany(trimmed) }
            return .range(first: first, last: last)
        }
        guard let first = ScalarText.number(ends[0].trimmed),
            let last = ScalarText.number(ends[1].trimmed),
            let step = ScalarText.number(parts[1].trimmed)
        else {
            throw SweepError("'\(trimmed)' needs three numbers: 0..1 step 0.25")
        }
        guard step != 0, (last - first) / step >= 0 else {
            throw SweepError("the step of '\(trimmed)' does not lead from \(ends[0]) to \(ends[1])")
        }
        let steps = (last - first) / step
        guard steps < Double(limit) else { throw tooMany(trimmed) }
        // A last value that is missed by rounding alone is meant.
        return .steps(first: first, step: step, count: Int(steps + 1e-9) + 1)
    }

    private static func tooMany(_ text: String) -> SweepError {
        SweepError("'\(text)' has more values than a sweep has points: at most \(limit)")
    }

    private static func function(_ call: Call) throws(SweepError) -> AxisValues {
        let numbers = call.arguments.compactMap(ScalarText.number)
        guard numbers.count == 3, call.arguments.count == 3, numbers[2] >= 1,
            numbers[2] == numbers[2].rounded(), numbers[2] <= Double(limit),
            (numbers[1] - numbers[0]).isFinite
        else {
            throw SweepError("\(call.name) takes three numbers: \(call.name)(first, last, count)")
        }
        switch call.name {
        case "linspace": return .linear(first: numbers[0], last: numbers[1], count: Int(numbers[2]))
        case "logspace":
            guard numbers[0] > 0, numbers[1] > 0, (numbers[1] / numbers[0]).isFinite else {
                throw SweepError(
                    "logspace needs ends above 0; they are the values themselves, not exponents")
            }
            return .logarithmic(first: numbers[0], last: numbers[1], count: Int(numbers[2]))
        default: throw SweepError("'\(call.name)' is no range function: linspace or logspace")
        }
    }
}

/// `name(a, b, c)`; commas inside quotes and brackets hold an argument together.
struct Call {
    let name: String
    let arguments: [String]

    init?(_ text: String) {
        guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else { return nil }
        name = String(text[..<open]).trimmed
        guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0 == "_" }) else { return nil }
        var arguments = [""]
        var quote: Character?
        var depth = 0
        for character in text[text.index(after: open)...].dropLast() {
            if quote == character {
                quote = nil
            } else if quote == nil, "'\"".contains(character) {
                quote = character
            }
            if quote == nil {
                depth += "([".contains(character) ? 1 : ")]".contains(character) ? -1 : 0
            }
            if character == ",", quote == nil, depth == 0 {
                arguments.append("")
            } else {
                arguments[arguments.count - 1].append(character)
            }
        }
        self.arguments = arguments.map(\.trimmed)
    }
}

extension String {
    var trimmed: String {
        var text = self[...]
        while text.first?.isWhitespace == true { text = text.dropFirst() }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }

    /// What some editors put in front of UTF-8.
    var withoutByteOrderMark: String {
        unicodeScalars.first == "\u{FEFF}" ? String(unicodeScalars.dropFirst()) : self
    }

    /// Splits at a longer separator.
    func components(at separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
