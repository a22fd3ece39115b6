internal import Yams

/// The text as a tree whose every node knows where it was written, in a file or by a flag.
struct SpecNode {
    indirect enum Content {
        /// `quoted` scalars are always strings.
        case scalar(String, quoted: Bool)
        case sequence([SpecNode])
        case mapping([(key: SpecNode, value: SpecNode)])
    }
    var content: Content
    var place: Place
    /// Of a `|` text: the column of its lines, which begin below its place.
    var blockColumn: Int?

    init(_ content: Content, _ place: Place) {
        self.content = content
        self.place = place
    }

    var scalar: String? { if case .scalar(let text, _) = content { text } else { nil } }

    /// An absent value: `key:` with nothing behind it.
    var isNull: Bool {
        if case .scalar(let text, quoted: false) = content {
            ["", "~", "null"].contains(text)
        } else {
            false
        }
    }

    /// Of a mapping.
    func value(of key: String) -> SpecNode? {
        guard case .mapping(let pairs) = content else { return nil }
        return pairs.first { $0.key.scalar == key }?.value
    }

    var isEmptySequence: Bool {
        if case .sequence(let items) = content { items.isEmpty } else { false }
    }

    /// Where a character of a scalar stands.
    func place(of offset: Int) -> Place {
        guard case .scalar(let text, let quoted) = content else { return place }
        guard let blockColumn, case .file(let line, _) = place else {
            return place.advanced(by: offset + (quoted ? 1 : 0))
        }
        let before = text.prefix(offset).split(separator: "\n", omittingEmptySubsequences: false)
        return .file(line: line + before.count, column: blockColumn + (before.last?.count ?? 0))
    }

    // MARK: From text

    static func parse(_ text: String, path: String) throws(SpecError) -> SpecNode {
        do {
            guard let node = try Yams.compose(yaml: CallCommas.hidden(in: text)) else {
                return SpecNode(.mapping([]), .file(line: 1, column: 1))
            }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            return SpecNode(node, lines) {
                Place.file(line: $0?.line ?? 1, column: $0?.column ?? 1)
            }
        } catch let error as YamlError {
            throw SpecError(diagnostics: diagnostics(of: error, path, text))
        } catch {
            throw SpecError(diagnostics: [Diagnostic(place: path, message: "\(error)", hint: nil)])
        }
    }

    private init(_ node: Node, _ lines: [Substring], _ place: (Mark?) -> Place) {
        let own = place(node.mark)
        switch node {
        case .scalar(let scalar):
            self.init(
                .scalar(
                    CallCommas.shown(in: scalar.string),
                    quoted: scalar.style == .singleQuoted || scalar.style == .doubleQuoted), own)
            if scalar.style == .literal, let mark = node.mark, mark.line < lines.count {
                let first = lines[mark.line...].first { !$0.allSatisfy(\.isWhitespace) }
                blockColumn = first.map { $0.prefix { $0 == " " }.count + 1 }
            }
        case .sequence(let sequence):
            self.init(.sequence(sequence.map { SpecNode($0, lines, place) }), own)
        case .mapping(let mapping):
            self.init(
                .mapping(
                    mapping.map {
                        (
                            key: SpecNode($0.key, lines, place),
                            value: SpecNode($0.value, lines, place)
                        )
                    }), own)
        case .alias: self.init(.scalar("", quoted: false), own)
        }
    }

    private static func diagnostics(of error: YamlError, _ path: String, _ text: String)
        -> [Diagnostic]
    {
        func one(_ mark: Mark, _ message: String, _ hint: String? = nil) -> Diagnostic {
            Diagnostic(place: "\(path):\(mark.line):\(mark.column)", message: message, hint: hint)
        }
        switch error {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return [one(mark, "this is not YAML: \(problem)", context.map { "\($0.text)" })]
        case .duplicatedKeysInMapping(let keys, let context):
            return keys.map { key in
                let (line, column) = secondPlace(of: key, context.mark, text)
                return Diagnostic(
                    place: "\(path):\(line):\(column)",
                    message: "the key '\(key)' stands here a second time", hint: "keep one of them")
            }
        default: return [Diagnostic(place: path, message: "\(error)", hint: nil)]
        }
    }

    /// Yams tells the first place alone; the second is the next line with that key in the same column.
    private static func secondPlace(
        of key: String, _ first: Mark, _ text: String
    ) -> (line: Int, column: Int) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let start = String(repeating: " ", count: max(0, first.column - 1)) + key + ":"
        let next = lines.indices.first { $0 >= first.line && lines[$0].hasPrefix(start) }
        return (next.map { $0 + 1 } ?? first.line, first.column)
    }

    // MARK: Flags

    /// Lays a flag over the tree: its value replaces what stood there, or joins the list.
    mutating func lay(_ override: SpecOverride) throws(SpecError) {
        let place = Place.flag(override.origin)
        let value: SpecNode
        switch override.form {
        case .text: value = SpecNode(.scalar(override.value, quoted: false), place)
        case .values: value = try Self.values(override.value, place)
        case .yaml:
            do {
                let node =
                    try Yams.compose(yaml: CallCommas.hidden(in: override.value)) ?? Node("")
                value = SpecNode(node, []) { _ in place }
            } catch {
                throw SpecError(diagnostics: [
                    Diagnostic(
                        place: override.origin, message: "'\(override.value)' is not YAML",
                        hint: nil)
                ])
            }
        }
        let path = expandShort(override.keyPath)
        set(value, at: path[...], place, append: override.mode == .append)
    }

    /// `gpus: 2` is short for `gpus: {count: 2}`, and `loss: min` for `loss: {goal: min}`: flags for the other keys stand beside the
    /// scalar, and one for the scalar leaves the other keys.
    private mutating func expandShort(_ path: [String]) -> [String] {
        let key: String
        switch (path.first, path.dropFirst().first) {
        case ("resources", "gpus"): key = "count"
        case ("metrics", .some): key = "goal"
        default: return path
        }
        let short = path.prefix(2)
        if let known = value(of: path[0])?.value(of: path[1]), case .scalar = known.content,
            !known.isNull
        {
            var long = SpecNode(.mapping([]), known.place)
            long.set(known, at: [key], known.place, append: false)
            set(long, at: short, known.place, append: false)
        }
        return path.count == 2 ? path + [key] : path
    }

    /// Of two keys that exclude each other, a flag's wins over the file's.
    mutating func preferFlag(between a: String, _ b: String) {
        guard case .mapping(var pairs) = content else { return }
        let both = pairs.filter { [a, b].contains($0.key.scalar) }
        guard both.contains(where: { $0.key.place.isFlag }) else { return }
        pairs.removeAll { [a, b].contains($0.key.scalar) && !$0.key.place.isFlag }
        content = .mapping(pairs)
    }

    private mutating func set(
        _ value: SpecNode, at path: ArraySlice<String>, _ place: Place, append: Bool
    ) {
        guard let key = path.first else {
            guard append else {
                self = value
                return
            }
            if case .sequence(let list) = content {
                content = .sequence(list + [value])
            } else {
                content = .sequence([value])
            }
            return
        }
        var pairs: [(key: SpecNode, value: SpecNode)] = []
        if case .mapping(let own) = content { pairs = own }
        if let at = pairs.firstIndex(where: { $0.key.scalar == key }) {
            pairs[at].value.set(value, at: path.dropFirst(), place, append: append)
            // What a flag replaced is the flag's, wherever it had been written.
            if path.count == 1, !append { pairs[at].key.place = place }
        } else {
            var node = SpecNode(.mapping([]), place)
            node.set(value, at: path.dropFirst(), place, append: append)
            pairs.append((key: SpecNode(.scalar(key, quoted: true), place), value: node))
        }
        content = .mapping(pairs)
    }

    /// `0.1, 0.01`, `adam,'s g d'`, `1..5`, `logspace(1e-4, 1e-1, 4)`: commas split where neither quotes nor parentheses hold
    /// them; blanks around a value are none of it.
    private static func values(_ text: String, _ place: Place) throws(SpecError) -> SpecNode {
        var parts: [(text: String, quoted: Bool)] = [("", false)]
        var quote: Character?
        var depth = 0
        for character in text {
            let last = parts.count - 1
            let isBlank = parts[last].text.allSatisfy(\.isWhitespace)
            if let open = quote {
                if character == open {
                    quote = nil
                } else {
                    parts[last].text.append(character)
                }
            } else if "'\"".contains(character), isBlank, !parts[last].quoted {
                quote = character
                parts[last] = ("", true)
            } else if character == ",", depth == 0 {
                parts.append(("", false))
            } else if !(parts[last].quoted && character.isWhitespace) {
                depth += character == "(" ? 1 : character == ")" ? -1 : 0
                parts[last].text.append(character)
            }
        }
        guard quote == nil else {
            throw SpecError(diagnostics: [
                Diagnostic(
                    place: place.text(""), message: "the quote in \(text) does not end", hint: nil)
            ])
        }
        let nodes = parts.map {
            SpecNode(.scalar($0.quoted ? $0.text : $0.text.trimmed, quoted: $0.quoted), place)
        }
        if nodes.count == 1, nodes[0].isRule { return nodes[0] }
        return SpecNode(.sequence(nodes), place)
    }

    /// A range or a function for values, not in quotes.
    var isRule: Bool {
        if case .scalar(let text, quoted: false) = content { AxisText.isRule(text) } else { false }
    }
}

/// `{lr: uniform(0, 1)}` without quotes: YAML would split the call at its comma. Signs inside calls that we know are hidden
/// from it behind others of one column each, and put back into every scalar. Calls with quotes inside are left alone: a quote
/// may end the text in which a call only seems to stand.
private enum CallCommas {
    private static let hidden: [Character: Character] = [",": "\u{E000}", ":": "\u{E001}"]
    private static let shown: [Character: Character] = ["\u{E000}": ",", "\u{E001}": ":"]

    static func hidden(in text: String) -> String {
        // A text that has such characters of its own is left as it is.
        guard text.contains("("), !text.contains(where: { shown[$0] != nil }) else { return text }
        let call = /\b(?:uniform|loguniform|int|normal|choice|linspace|logspace)\([^()\n"']*\)/
        return text.replacing(call) { String($0.output.map { hidden[$0] ?? $0 }) }
    }

    static func shown(in text: String) -> String {
        text.contains { shown[$0] != nil } ? String(text.map { shown[$0] ?? $0 }) : text
    }
}

extension YamlError.Context {
    fileprivate var text: String { description.split(separator: "\n").first.map(String.init) ?? "" }
}
