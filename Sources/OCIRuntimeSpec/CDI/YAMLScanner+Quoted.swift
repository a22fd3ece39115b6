// Quoted scalars and flow collections.
extension YAMLScanner {
    /// 'it''s' or "a\tb"; over several lines as over one, with a space between them (YAML 1.2.2, 7.3).
    mutating func quoted() throws(Problem) -> [UInt8] {
        let quote = peek
        let start = at
        at += 1
        var text: [UInt8] = []
        while at < bytes.count {
            switch peek {
            case quote where quote == UInt8(ascii: "'") && byte(at + 1) == quote:
                text.append(quote)
                at += 2
            case quote:
                at += 1
                return text
            case UInt8(ascii: "\\") where quote == UInt8(ascii: "\""): text += try escape()
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): fold(&text)
            default:
                text.append(peek)
                at += 1
            }
        }
        throw Problem(text: "a quotation mark that nothing closes", offset: start)
    }

    private mutating func fold(_ text: inout [UInt8]) {
        while let last = text.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") {
            text.removeLast()
        }
        let breaks = skipLineEnds()
        text +=
            breaks > 1
            ? Array(repeating: UInt8(ascii: "\n"), count: breaks - 1) : [UInt8(ascii: " ")]
    }

    /// Over line ends and the blanks that follow; how many there were.
    private mutating func skipLineEnds() -> Int {
        var breaks = 0
        while peek == UInt8(ascii: "\n") || peek == UInt8(ascii: "\r") {
            if peek == UInt8(ascii: "\n") { breaks += 1 }
            at += 1
            skipBlanks()
        }
        return breaks
    }

    private mutating func escape() throws(Problem) -> [UInt8] {
        at += 1
        let letter = peek
        if letter == UInt8(ascii: "\n") || letter == UInt8(ascii: "\r") {
            _ = skipLineEnds()
            return []
        }
        at += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: " "):
            return [letter]
        case UInt8(ascii: "n"): return [UInt8(ascii: "\n")]
        case UInt8(ascii: "r"): return [UInt8(ascii: "\r")]
        case UInt8(ascii: "t"): return [UInt8(ascii: "\t")]
        case UInt8(ascii: "e"): return [0x1B]
        case UInt8(ascii: "x"): return try scalar(digits: 2)
        case UInt8(ascii: "u"): return try scalar(digits: 4)
        case UInt8(ascii: "U"): return try scalar(digits: 8)
        default: throw Problem(text: "no such escape", offset: at - 1)
        }
    }

    private mutating func scalar(digits: Int) throws(Problem) -> [UInt8] {
        let text = String(decoding: bytes[at..<min(at + digits, bytes.count)], as: UTF8.self)
        guard text.utf8.count == digits, text.allSatisfy(\.isHexDigit),
            let code = UInt32(text, radix: 16), let scalar = Unicode.Scalar(code)
        else { throw problem("no character has this number") }
        at += digits
        return Array(String(Character(scalar)).utf8)
    }

    // MARK: Flow collections

    /// `[a, b]` or `{a: b}`: JSON, but that quotes and the last comma are free.
    mutating func flow() throws(Problem) {
        let isMapping = peek == UInt8(ascii: "{")
        let end = UInt8(ascii: isMapping ? "}" : "]")
        let start = at
        depth += 1
        guard depth <= JSONScanner.deepest else { throw problem("nested too deeply") }
        emit(isMapping ? "{" : "[")
        at += 1
        try skipToContent()
        var names: Set<[UInt8]> = []
        var isFirst = true
        while peek != end {
            guard at < bytes.count else {
                throw Problem(text: "a bracket that nothing closes", offset: start)
            }
            if !isFirst { emit(",") }
            isFirst = false
            if isMapping { try flowName(&names) }
            try flowValue()
            try skipToContent()
            if peek == UInt8(ascii: ",") {
                at += 1
                try skipToContent()
            } else if peek != end, at < bytes.count {
                throw problem("a comma is missing")
            }
        }
        at += 1
        depth -= 1
        emit(isMapping ? "}" : "]")
    }

    private mutating func flowName(_ names: inout Set<[UInt8]>) throws(Problem) {
        try refuseIndicators()
        let start = at
        let isQuoted = isQuote
        let name = isQuoted ? try quoted() : plainLine(inFlow: true)
        skipBlanks()
        // As JSON has it, without a blank.
        guard isColon || isQuoted && peek == UInt8(ascii: ":") else {
            throw problem("a colon is missing")
        }
        guard names.insert(name).inserted else {
            throw Problem(text: "this name stands twice in its mapping", offset: start)
        }
        at += 1
        emit(string: name)
        emit(":")
        try skipToContent()
    }

    private mutating func flowValue() throws(Problem) {
        switch peek {
        case UInt8(ascii: "["), UInt8(ascii: "{"): try flow()
        case UInt8(ascii: "\""), UInt8(ascii: "'"): emit(string: try quoted())
        case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"): emit("null")
        default:
            try refuseIndicators()
            emit(plain: plainLine(inFlow: true))
            guard !isColon else { throw problem("a colon in a text without quotes") }
        }
    }
}
