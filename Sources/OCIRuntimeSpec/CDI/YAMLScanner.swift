/// Turns the YAML that machines write, and people by hand, into the JSON text of the same content: block and flow
/// collections, plain, quoted and literal scalars, comments (YAML 1.2.2, scalars of the core schema). Anchors, tags, folded scalars
/// and several documents are refused, as whatever else it is not sure of; a name may stand once in its mapping.
struct YAMLScanner {
    typealias Problem = JSONScanner.Problem
    let bytes: [UInt8]
    /// Where each line begins.
    private let lineStarts: [Int]
    var at = 0
    var json: [UInt8] = []
    var depth = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let ends = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
        lineStarts = [0] + ends.map { $0 + 1 }
    }

    /// Of the line in which the next byte is.
    var lineStart: Int {
        var (low, high) = (0, lineStarts.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if lineStarts[middle] <= at { low = middle } else { high = middle - 1 }
        }
        return lineStarts[low]
    }

    mutating func scan() throws(Problem) {
        for (offset, byte) in bytes.enumerated() where byte < 0x20 || byte == 0x7F {
            guard [UInt8(ascii: "\n"), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains(byte) else {
                throw Problem(text: "a control character", offset: offset)
            }
        }
        try skipToContent()
        if isMarker("---") {
            at += 3
            try skipToContent()
        }
        try node(deeperThan: -1)
        try skipToContent()
        if isMarker("...") {
            at += 3
            try skipToContent()
        }
        guard at == bytes.count else {
            throw problem(
                isMarker("---") ? "a second document" : "not indented as what it could belong to")
        }
    }

    /// What begins at the next content, where that stands further right than `indent`; null otherwise.
    mutating func node(deeperThan indent: Int) throws(Problem) {
        try skipToContent()
        guard at < bytes.count, column > indent, !isMarker("---"), !isMarker("...") else {
            emit("null")
            return
        }
        depth += 1
        guard depth <= JSONScanner.deepest else { throw problem("nested too deeply") }
        if isEntry {
            try sequence(at: column)
        } else if try beginsMapping() {
            try mapping(at: column)
        } else {
            try scalarOrFlow(deeperThan: indent)
        }
        depth -= 1
    }

    /// `- a` lines, whose dashes stand in `own`.
    private mutating func sequence(at own: Int) throws(Problem) {
        emit("[")
        var isFirst = true
        while at < bytes.count, column == own, isEntry {
            if !isFirst { emit(",") }
            isFirst = false
            at += 1
            try node(deeperThan: own)
            try skipToContent()
        }
        try expectEnd(of: own)
        emit("]")
    }

    /// `a: b` lines, whose names stand in `own`.
    private mutating func mapping(at own: Int) throws(Problem) {
        emit("{")
        var names: Set<[UInt8]> = []
        while at < bytes.count, column == own, !isEntry, !isMarker("---"), !isMarker("...") {
            guard try beginsMapping() else { throw problem("a colon is missing") }
            if !names.isEmpty { emit(",") }
            let start = at
            let name = try key()
            guard names.insert(name).inserted else {
                throw Problem(text: "this name stands twice in its mapping", offset: start)
            }
            emit(string: name)
            emit(":")
            // The colon.
            at += 1
            try member(of: own)
            try skipToContent()
        }
        try expectEnd(of: own)
        emit("}")
    }

    private mutating func member(of own: Int) throws(Problem) {
        skipBlanks()
        let isInline = !isLineEnd
        if isInline {
            guard !isEntry else { throw problem("a list within the line of its name") }
            guard try !beginsMapping() else { throw problem("a second colon in the line") }
            return try scalarOrFlow(deeperThan: own)
        }
        try skipToContent()
        // A list may stand in the column of its name.
        if at < bytes.count, column == own, isEntry { return try sequence(at: own) }
        try node(deeperThan: own)
    }

    private func expectEnd(of own: Int) throws(Problem) {
        guard at == bytes.count || column <= own else {
            throw problem("not indented as what it could belong to")
        }
    }

    /// Whether a name and its colon begin here.
    private func beginsMapping() throws(Problem) -> Bool {
        var ahead = self
        ahead.json = []
        switch peek {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            let line = lineStart
            _ = try ahead.quoted()
            ahead.skipBlanks()
            return ahead.lineStart == line && ahead.isColon
        case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: ">"):
            return false
        default:
            ahead.plainLine(inFlow: false)
            return ahead.isColon
        }
    }

    private mutating func key() throws(Problem) -> [UInt8] {
        try refuseIndicators()
        let name = isQuote ? try quoted() : plainLine(inFlow: false)
        skipBlanks()
        return name
    }
}

// What the scanner's parts share.
extension YAMLScanner {
    /// The next byte; 0, which was refused, at the end.
    var peek: UInt8 { byte(at) }
    func byte(_ offset: Int) -> UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    func problem(_ text: String) -> Problem { Problem(text: text, offset: at) }

    var isQuote: Bool { peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") }
    var isColon: Bool { peek == UInt8(ascii: ":") && isBlankOrEnd(at + 1) }
    private var isEntry: Bool { peek == UInt8(ascii: "-") && isBlankOrEnd(at + 1) }

    func isBlankOrEnd(_ offset: Int) -> Bool {
        switch byte(offset) {
        case 0, UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): true
        default: false
        }
    }

    var isLineEnd: Bool {
        switch peek {
        case 0, UInt8(ascii: "\n"), UInt8(ascii: "\r"): true
        case UInt8(ascii: "#"): at == 0 || isBlankOrEnd(at - 1)
        default: false
        }
    }

    /// From 0, in bytes.
    var column: Int { at - lineStart }

    func isMarker(_ marker: StaticString) -> Bool {
        column == 0 && isBlankOrEnd(at + 3)
            && marker.withUTF8Buffer { bytes[min(at, bytes.count)...].starts(with: $0) }
    }

    mutating func skipBlanks() {
        while peek == UInt8(ascii: " ") || peek == UInt8(ascii: "\t") { at += 1 }
    }

    /// Over blanks, comments and line ends.
    mutating func skipToContent() throws(Problem) {
        while at < bytes.count {
            let isIndent = column == 0
            skipBlanks()
            guard isLineEnd else {
                let tab = bytes[lineStart..<at].firstIndex(of: UInt8(ascii: "\t"))
                if isIndent, let tab {
                    throw Problem(text: "a tab in the indentation", offset: tab)
                }
                return
            }
            while at < bytes.count, peek != UInt8(ascii: "\n") { at += 1 }
            if at < bytes.count { at += 1 }
        }
    }

    mutating func emit(_ text: StaticString) { text.withUTF8Buffer { json += $0 } }

    mutating func emit(string: [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in string {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = Array(String(UInt32(byte) + 0x1_0000, radix: 16).utf8.suffix(4))
                json += [UInt8(ascii: "\\"), UInt8(ascii: "u")] + digits
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }
}
