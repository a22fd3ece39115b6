// Numbers, strings and names.
extension JSONScanner {
    /// RFC 8259, 6.
    mutating func number() throws(Problem) {
        let start = at
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        add(Value(kind: .number, start: start, end: at, next: values.count + 1))
    }

    private mutating func digits() throws(Problem) {
        let start = at
        while UInt8(ascii: "0")...UInt8(ascii: "9") ~= peek { at += 1 }
        guard at > start else { throw problem("a digit is missing") }
    }

    /// RFC 8259, 7. Escapes are checked here, so that decoding them later cannot fail.
    mutating func string() throws(Problem) {
        at += 1
        var value = Value(kind: .string, start: at, end: at, next: values.count + 1)
        while true {
            switch peek {
            case UInt8(ascii: "\""):
                value.end = at
                at += 1
                add(value)
                return
            case UInt8(ascii: "\\"):
                value.isEscaped = true
                try escape()
            case 0..<0x20:
                throw problem(
                    at < bytes.count ? "a control character in a string" : "the text ends early")
            default: at += 1
            }
        }
    }

    private mutating func escape() throws(Problem) {
        at += 1
        switch peek {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 1
        case UInt8(ascii: "u"):
            at += 1
            let unit = try hexUnit()
            guard 0xD800...0xDFFF ~= unit else { return }
            guard unit < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")),
                0xDC00...0xDFFF ~= (try hexUnit())
            else { throw problem("half of a surrogate pair") }
        default: throw problem("no such escape")
        }
    }

    private mutating func hexUnit() throws(Problem) -> UInt32 {
        guard let unit = Self.hexUnit(bytes, at) else {
            throw problem("four hex digits are missing")
        }
        at += 4
        return unit
    }

    static func hexUnit(_ bytes: [UInt8], _ start: Int) -> UInt32? {
        guard start + 4 <= bytes.count else { return nil }
        var unit: UInt32 = 0
        for byte in bytes[start..<start + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                return nil
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// The string's text in UTF-8, its escapes resolved.
    static func decoded(_ value: Value, in bytes: [UInt8]) -> [UInt8] {
        guard value.isEscaped else { return Array(bytes[value.start..<value.end]) }
        var result: [UInt8] = []
        var at = value.start
        while at < value.end {
            guard bytes[at] == UInt8(ascii: "\\") else {
                result.append(bytes[at])
                at += 1
                continue
            }
            let (scalar, length) = escaped(bytes, at + 1)
            result.append(contentsOf: String(Character(scalar)).utf8)
            at += length
        }
        return result
    }

    /// What stands for the escape whose letter is at `start`, and its length with the backslash.
    private static func escaped(_ bytes: [UInt8], _ start: Int) -> (Unicode.Scalar, Int) {
        switch bytes[start] {
        case UInt8(ascii: "b"): return ("\u{8}", 2)
        case UInt8(ascii: "f"): return ("\u{c}", 2)
        case UInt8(ascii: "n"): return ("\n", 2)
        case UInt8(ascii: "r"): return ("\r", 2)
        case UInt8(ascii: "t"): return ("\t", 2)
        case UInt8(ascii: "u"):
            let unit = hexUnit(bytes, start + 1) ?? 0
            if let scalar = Unicode.Scalar(unit) { return (scalar, 6) }
            let low = hexUnit(bytes, start + 7) ?? 0xDC00
            let code = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            return (Unicode.Scalar(code) ?? "\u{FFFD}", 12)
        default: return (Unicode.Scalar(bytes[start]), 2)
        }
    }

    /// Index of a name that stands in the object before.
    func firstRepeatedName(in object: Int) -> Int? {
        var names: [Int] = []
        var index = object + 1
        while index < values[object].next {
            names.append(index)
            index = values[index + 1].next
        }
        guard names.count > 1 else { return nil }
        // Few are compared pair by pair, where only the first of them is looked at of names that are unlike in length.
        if names.count <= 24, !names.contains(where: { values[$0].isEscaped }) {
            return names.indices.first { later in
                names[..<later].contains { sameBytes(values[$0], values[names[later]]) }
            }.map { names[$0] }
        }
        var seen: Set<[UInt8]> = []
        return names.first { !seen.insert(Self.decoded(values[$0], in: bytes)).inserted }
    }

    private func sameBytes(_ one: Value, _ other: Value) -> Bool {
        one.end - one.start == other.end - other.start
            && bytes[one.start..<one.end].elementsEqual(bytes[other.start..<other.end])
    }
}
