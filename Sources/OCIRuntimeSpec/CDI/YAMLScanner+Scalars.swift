// Plain, quoted and literal scalars.
extension YAMLScanner {
    mutating func scalarOrFlow(deeperThan indent: Int) throws(Problem) {
        switch peek {
        case UInt8(ascii: "["), UInt8(ascii: "{"): try flow()
        case UInt8(ascii: "|"): emit(string: try literal(deeperThan: indent))
        default: try scalar(deeperThan: indent)
        }
        skipBlanks()
        guard isLineEnd else { throw problem("more in the line than a value") }
    }

    private mutating func scalar(deeperThan indent: Int) throws(Problem) {
        try refuseIndicators()
        if isQuote { return emit(string: try quoted()) }
        var text = plainLine(inFlow: false)
        while let next = try continuation(deeperThan: indent) {
            at = next.start
            text +=
                next.breaks > 1
                ? Array(repeating: UInt8(ascii: "\n"), count: next.breaks - 1)
                : [UInt8(ascii: " ")]
            text += plainLine(inFlow: false)
            guard !isColon else { throw problem("a colon in a text that began in another line") }
        }
        emit(plain: text)
    }

    /// The next line of a plain scalar (YAML 1.2.2, 7.3.3), and how many line ends are before it.
    private func continuation(deeperThan indent: Int) throws(Problem) -> (start: Int, breaks: Int)?
    {
        var ahead = self
        ahead.skipBlanks()
        guard ahead.peek != UInt8(ascii: "#") else { return nil }
        var breaks = 0
        while ahead.peek == UInt8(ascii: "\n") || ahead.peek == UInt8(ascii: "\r") {
            if ahead.peek == UInt8(ascii: "\n") { breaks += 1 }
            ahead.at += 1
            ahead.skipBlanks()
        }
        guard breaks > 0, ahead.at < bytes.count, !ahead.isLineEnd, ahead.column > indent,
            !ahead.isMarker("---"), !ahead.isMarker("...")
        else { return nil }
        return (ahead.at, breaks)
    }

    /// To the end of the line, a comment or a colon; in flow collections to their punctuation as well.
    @discardableResult
    mutating func plainLine(inFlow: Bool) -> [UInt8] {
        let start = at
        var end = at
        while at < bytes.count, !isLineEnd, !isColon, !(inFlow && isFlowEnd) {
            at += 1
            if !isBlankOrEnd(at - 1) { end = at }
        }
        return Array(bytes[start..<end])
    }

    private var isFlowEnd: Bool {
        switch peek {
        case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"),
            UInt8(ascii: "}"):
            true
        default: false
        }
    }

    /// YAML's other features: what none of the interface's files needs.
    func refuseIndicators() throws(Problem) {
        switch peek {
        case UInt8(ascii: "&"), UInt8(ascii: "*"): throw problem("anchors are not read")
        case UInt8(ascii: "!"): throw problem("tags are not read")
        case UInt8(ascii: ">"): throw problem("folded scalars are not read")
        case UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "|"),
            UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ":"):
            throw problem("no value begins so")
        case UInt8(ascii: "?") where isBlankOrEnd(at + 1):
            throw problem("names with a question mark are not read")
        default: return
        }
    }

    /// `|` and its lines (YAML 1.2.2, 8.1).
    private mutating func literal(deeperThan indent: Int) throws(Problem) -> [UInt8] {
        at += 1
        let chomping = peek
        if chomping == UInt8(ascii: "-") || chomping == UInt8(ascii: "+") { at += 1 }
        skipBlanks()
        guard isLineEnd else { throw problem("an indentation that is not found out") }
        var lines: [ArraySlice<UInt8>] = []
        var own: Int?
        var end = at
        for line in linesBehind() {
            let depth = line.prefix { $0 == UInt8(ascii: " ") }.count
            let isBlank = depth == line.count
            if !isBlank {
                guard depth > indent, depth >= own ?? 0 else { break }
                own = own ?? depth
                end = line.endIndex
            }
            lines.append(line.dropFirst(own ?? depth))
        }
        at = end
        let content = lines.lastIndex { !$0.isEmpty }.map { $0 + 1 } ?? 0
        if chomping != UInt8(ascii: "+") { lines.removeSubrange(content...) }
        let text = lines.flatMap { $0 + [UInt8(ascii: "\n")] }
        return chomping == UInt8(ascii: "-") ? text.dropLast() : text
    }

    /// Whole lines after this one, without what ends them.
    private func linesBehind() -> [ArraySlice<UInt8>] {
        bytes[at...].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .dropFirst().map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
    }

    /// What a text without quotes stands for: the core schema, and YAML 1.1's octal numbers, with which modes are written.
    mutating func emit(plain text: [UInt8]) {
        switch String(decoding: text, as: UTF8.self) {
        case "", "~", "null", "Null", "NULL": emit("null")
        case "true", "True", "TRUE": emit("true")
        case "false", "False", "FALSE": emit("false")
        case let word:
            if let number = Self.number(word) {
                json += Array(number.utf8)
            } else {
                emit(string: text)
            }
        }
    }

    private static func number(_ word: String) -> String? {
        let digits = word.first == "-" || word.first == "+" ? word.dropFirst() : word[...]
        let sign = word.first == "-" ? "-" : ""
        func whole(_ text: Substring, _ radix: Int) -> String? {
            guard let first = text.first, first.isHexDigit else { return nil }
            return UInt64(text, radix: radix).map { sign + String($0) }
        }
        if digits == "0" { return sign + "0" }
        if digits.hasPrefix("0x") { return whole(digits.dropFirst(2), 16) }
        if digits.hasPrefix("0o") { return whole(digits.dropFirst(2), 8) }
        if digits.hasPrefix("0") && !digits.contains(".") { return whole(digits.dropFirst(), 8) }
        guard digits.first?.isNumber ?? false else { return nil }
        // Of what JSON and YAML call numbers alike.
        var scanner = JSONScanner(Array((sign + digits).utf8))
        do throws(Problem) {
            try scanner.scan()
            return sign + digits
        } catch {
            return nil
        }
    }
}
