internal import FoundationEssentials

/// Goes through JSON once, from front to back, however deep and long it is. Python's `NaN` and `Infinity`, which JSON does not
/// have, are read as not a number.
struct JSONScanner {
    private(set) var rest: ArraySlice<UInt8>

    struct Scalar { let number: Double? }

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func skipSpace() {
        while let byte = rest.first, byte == 32 || (9...13).contains(byte) { rest.removeFirst() }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    /// Whether an object or an array comes.
    var startsNested: Bool {
        var copy = self
        copy.skipSpace()
        return copy.rest.first == UInt8(ascii: "{") || copy.rest.first == UInt8(ascii: "[")
    }

    /// Past one value; nil where there is none.
    mutating func value() -> Scalar? {
        skipSpace()
        switch rest.first {
        case UInt8(ascii: "\""): return string().map { _ in Scalar(number: nil) }
        case UInt8(ascii: "{"), UInt8(ascii: "["): return skipNested() ? Scalar(number: nil) : nil
        default: return scalar()
        }
    }

    private mutating func scalar() -> Scalar? {
        let token = rest.prefix { !",}] \t\r\n".utf8.contains($0) }
        rest = rest.dropFirst(token.count)
        let text = String(decoding: token, as: UTF8.self)
        switch text {
        case "true", "false", "null": return Scalar(number: nil)
        case "NaN", "Infinity", "-Infinity": return Scalar(number: .nan)
        default: return Double(text).map { Scalar(number: $0.isFinite ? $0 : .nan) }
        }
    }

    mutating func string() -> String? {
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
        // A malformed escape makes it no JSON.
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

extension JSONScanner {
    /// The number at the end of a path of names and places; nil where there is none, or something else. A name may have dots in it: a
    /// whole rest of the path that is a name comes first.
    mutating func number(at path: [Substring]) -> Double? {
        guard let first = path.first else {
            let number = value()?.number
            skipSpace()
            return number
        }
        if take("[") { return element(Int(first), path.dropFirst()) }
        guard take("{") else { return nil }
        let whole = path.joined(separator: ".")
        var found: Double?
        while !take("}") {
            skipSpace()
            guard let name = string(), take(":") else { return nil }
            var inside = self
            // A torn document is none.
            guard value() != nil, take(",") || rest.first == UInt8(ascii: "}") else { return nil }
            if name == whole, let number = inside.number(at: []) { return number }
            if name == first, path.count > 1, found == nil {
                found = inside.number(at: Array(path.dropFirst()))
            }
        }
        return found
    }

    private mutating func element(_ place: Int?, _ path: ArraySlice<Substring>) -> Double? {
        guard let place, place >= 0 else { return nil }
        for _ in 0..<place {
            guard value() != nil, take(",") else { return nil }
        }
        return number(at: Array(path))
    }
}
