/// Reads a JSON text (RFC 8259) into a list of its values. No number is converted and no string copied: whoever wants a
/// value decodes it from its place in the text. Stricter than some of its kind, because a document that two readers
/// understand differently hides things from one of them: no name may stand twice in an object.
struct JSONScanner {
    struct Value {
        enum Kind: UInt8 { case null, boolean, number, string, array, object }
        var kind: Kind
        /// Bytes of the text; those of a string without its quotes.
        var start: Int
        var end: Int
        /// Where the list goes on behind this value and all that is in it. An object holds names and values in turn.
        var next: Int
        /// A string with escapes.
        var isEscaped = false
    }

    struct Problem: Error {
        let text: String
        /// Byte.
        let offset: Int
    }

    let bytes: [UInt8]
    private(set) var values: [Value] = []
    var at = 0
    private var depth = 0
    /// Values within values. config.json needs 8; this keeps a hostile one off the stack's end.
    static let deepest = 128

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        values.reserveCapacity(bytes.count / 16)
    }

    mutating func scan() throws(Problem) {
        skipBlanks()
        try value()
        skipBlanks()
        guard at == bytes.count else { throw problem("the document ends before this") }
    }

    private mutating func value() throws(Problem) {
        switch peek {
        case UInt8(ascii: "{"): try object()
        case UInt8(ascii: "["): try array()
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try word("true", .boolean)
        case UInt8(ascii: "f"): try word("false", .boolean)
        case UInt8(ascii: "n"): try word("null", .null)
        default: throw problem(at < bytes.count ? "no JSON value begins so" : "the text ends early")
        }
    }

    private mutating func object() throws(Problem) {
        let own = open(.object)
        try elements(until: UInt8(ascii: "}")) { (scanner) throws(Problem) in
            guard scanner.peek == UInt8(ascii: "\"") else {
                throw scanner.problem("a name is missing")
            }
            try scanner.string()
            scanner.skipBlanks()
            guard scanner.take(UInt8(ascii: ":")) else {
                throw scanner.problem("a colon is missing")
            }
            scanner.skipBlanks()
            try scanner.value()
        }
        close(own)
        if let name = firstRepeatedName(in: own) {
            throw Problem(text: "this name stands twice in its object", offset: values[name].start)
        }
    }

    private mutating func array() throws(Problem) {
        let own = open(.array)
        try elements(until: UInt8(ascii: "]")) { (scanner) throws(Problem) in try scanner.value() }
        close(own)
    }

    private mutating func elements(
        until end: UInt8, _ element: (inout JSONScanner) throws(Problem) -> Void
    ) throws(Problem) {
        depth += 1
        guard depth <= Self.deepest else { throw problem("nested too deeply") }
        at += 1
        skipBlanks()
        if take(end) {
            depth -= 1
            return
        }
        while true {
            try element(&self)
            skipBlanks()
            if take(end) { break }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma is missing") }
            skipBlanks()
        }
        depth -= 1
    }

    /// Leaves the position alone: the opening bracket or quote is still to be taken.
    private mutating func open(_ kind: Value.Kind) -> Int {
        values.append(Value(kind: kind, start: at, end: at, next: values.count + 1))
        return values.count - 1
    }

    private mutating func close(_ own: Int) {
        values[own].end = at
        values[own].next = values.count
    }

    private mutating func word(_ word: StaticString, _ kind: Value.Kind) throws(Problem) {
        let own = open(kind)
        let matches = word.withUTF8Buffer { bytes[at...].starts(with: $0) }
        guard matches else { throw problem("no JSON value begins so") }
        at += word.utf8CodeUnitCount
        close(own)
    }

    mutating func add(_ value: Value) { values.append(value) }
}

// What the scanner's parts share.
extension JSONScanner {
    /// The next byte; 0, which no JSON has outside of strings, at the end.
    var peek: UInt8 { at < bytes.count ? bytes[at] : 0 }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte, at < bytes.count else { return false }
        at += 1
        return true
    }

    mutating func skipBlanks() {
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
                at += 1
            default: return
            }
        }
    }

    func problem(_ text: String) -> Problem { Problem(text: text, offset: at) }
}
