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

    // MARK: From text

    static func parse(_ text: String, path: String) throws(SpecError) -> SpecNode {
        do {
            guard let node = try Yams.compose(yaml: text) else {
                return SpecNode(.mapping([]), .file(line: 1, column: 1))
            }
            return SpecNode(node) { Place.file(line: $0?.line ?? 1, column: $0?.column ?? 1) }
        } catch let error as YamlError {
            throw SpecError(diagnostics: diagnostics(of: error, path, text))
        } catch {
            throw SpecError(diagnostics: [Diagnostic(place: path, message: "\(error)", hint: nil)])
        }
    }

    private init(_ node: Node, _ place: (Mark?) -> Place) {
        let own = place(node.mark)
        switch node {
        case .scalar(let scalar):
            self.init(
                .scalar(
                    scalar.string,
                    quoted: scalar.style == .singleQuoted || scalar.style == .doubleQuoted), own)
        case .sequence(let sequence):
            self.init(.sequence(sequence.map { SpecNode($0, place) }), own)
        case .mapping(let mapping):
            self.init(
                .mapping(
                    mapping.map { (key: SpecNode($0.key, place), value: SpecNode($0.value, place)) }
                ), own)
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
        case .values: value = Self.values(override.value, place)
        case .yaml:
            do {
                let node = try Yams.compose(yaml: override.value) ?? Node("")
                value = SpecNode(node) { _ in place }
            } catch {
                throw SpecError(diagnostics: [
                    Diagnostic(
                        place: override.origin, message: "'\(override.value)' is not YAML",
                        hint: nil)
                ])
            }
        }
        set(value, at: override.keyPath[...], place, append: override.mode == .append)
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

    /// `0.1,0.01`, `adam,'s g d'`, `1..5`, `logspace(1e-4, 1e-1, 4)`: commas split where neither quotes nor parentheses hold them.
    private static func values(_ text: String, _ place: Place) -> SpecNode {
        var parts: [(text: String, quoted: Bool)] = [("", false)]
        var quote: Character?
        var depth = 0
        for character in text {
            if let open = quote {
                if character == open {
                    quote = nil
                } else {
                    parts[parts.count - 1].text.append(character)
                }
            } else if character == "'" || character == "\"" {
                quote = character
                parts[parts.count - 1].quoted = true
            } else if character == ",", depth == 0 {
                parts.append(("", false))
            } else {
                depth += character == "(" ? 1 : character == ")" ? -1 : 0
                parts[parts.count - 1].text.append(character)
            }
        }
        if parts.count == 1, !parts[0].quoted, AxisText.isRule(parts[0].text) {
            return SpecNode(.scalar(parts[0].text, quoted: false), place)
        }
        return SpecNode(
            .sequence(parts.map { SpecNode(.scalar($0.text, quoted: $0.quoted), place) }), place)
    }
}

extension YamlError.Context {
    fileprivate var text: String { description.split(separator: "\n").first.map(String.init) ?? "" }
}
