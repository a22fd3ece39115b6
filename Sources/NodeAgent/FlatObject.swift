internal import FoundationEssentials

/// One line of a metrics file: a JSON object whose numbers count and whose other values are passed over. Python's `NaN` and
/// `Infinity`, which JSON does not have, are read as not a number.
struct FlatObject {
    private(set) var fields: [(name: String, value: Double?)] = []
    private var rest: ArraySlice<UInt8>

    /// Nil where the line is torn, or anything else than one object.
    init?(_ line: ArraySlice<UInt8>) {
        rest = line
        guard take("{") else { return nil }
        var isFirst = true
        while !take("}") {
            guard isFirst || take(",") else { return nil }
            isFirst = false
            skipSpace()
            guard let name = string(), take(":"), let value = value() else { return nil }
            fields.append((name, value.number))
        }
        skipSpace()
        guard rest.isEmpty else { return nil }
    }

    private struct Value { let number: Double? }

    private mutating func skipSpace() {
        while let byte = rest.first, byte == 32 || (9...13).contains(byte) { rest.removeFirst() }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func value() -> Value? {
        skipSpace()
        switch rest.first {
        case UInt8(ascii: "\""): return string().map { _ in Value(number: nil) }
        case UInt8(ascii: "{"), UInt8(ascii: "["): return skipNested() ? Value(number: nil) : nil
        default: return scalar()
        }
    }

    private mutating func scalar() -> Value? {
        let token = rest.prefix { !",}] \t\r".utf8.contains($0) }
        rest = rest.dropFirst(token.count)
        let text = String(decoding: token, as: UTF8.self)
        switch text {
        case "true", "false", "null": return Value(number: nil)
        case "NaN", "Infinity", "-Infinity": return Value(number: .nan)
        default: return Double(text).map { Value(number: $0.isFinite ? $0 : .nan) }
        }
    }

    private mutating func string() -> String? {
        guard rest.first == UInt8(ascii: "\"") else { return nil }
        var hasEscapes = false
        var at = rest.index(after: rest.startIndex)
        while at < rest.endIndex, rest[at] != UInt8(ascii: "\"") {
            if rest[at] == UInt8(ascii: "\\") {
                hasEscapes = true
                at += 1
            }
            at += 1
        }
        guard at < rest.endIndex else { return nil }
        let quoted = rest[...at]
        rest = rest[(at + 1)...]
        guard hasEscapes else {
            return String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self)
        }
        // A malformed escape makes the line no JSON.
        return try? JSONDecoder().decode(String.self, from: Data(quoted))
    }

    /// Past an array or object of any depth.
    private mutating func skipNested() -> Bool {
        var depth = 0
        while let byte = rest.first {
            if byte == UInt8(ascii: "\"") {
                guard string() != nil else { return false }
                continue
            }
            rest.removeFirst()
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
            if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { depth -= 1 }
            if depth == 0 { return true }
        }
        return false
    }
}
