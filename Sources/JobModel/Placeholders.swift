/// Puts a point's values into texts: `{lr}` becomes the value of lr, `{index}` the task's index, `{job}` the job's number;
/// `{{lr}}` is the text `{lr}`. All other braces are text, and `${lr}` is the shell's.
public struct Placeholders: Sendable {
    private let values: [String: String]

    public init(point: Point, task: TaskID) {
        var values = ["index": "\(task.index)", "job": "\(task.job)"]
        for parameter in point.parameters { values[parameter.name] = parameter.value.description }
        self.values = values
    }

    /// Names that every command may use, whatever its sweep.
    public static let builtIn = ["index", "job"]

    /// A name that is not known stays as it is; specs with one are refused before they come here.
    public func expand(_ text: String) -> String { fill(Self.pieces(of: text)) }

    /// In a script braces around a word mean much else, so only known names count.
    public func expandScript(_ script: String) -> String {
        fill(Self.pieces(of: script) { values[$0] != nil })
    }

    private func fill(_ pieces: [Piece]) -> String {
        pieces.reduce(into: "") { result, piece in
            switch piece {
            case .text(let text): result += text
            case .name(let name, _): result += values[name] ?? "{\(name)}"
            }
        }
    }

    public enum Piece: Sendable, Hashable {
        case text(String)
        /// With the offset of its `{` in characters.
        case name(String, offset: Int)
    }

    /// Splits a text at its placeholders: names in braces that `counts` agrees to.
    public static func pieces(
        of text: String, where counts: (String) -> Bool = { _ in true }
    ) -> [Piece] {
        let characters = Array(text)
        var pieces: [Piece] = []
        var plain = ""
        var at = 0
        /// What stands behind the brace at `place`, if it is a name in braces.
        func name(at place: Int) -> String? {
            guard place < characters.count, characters[place] == "{" else { return nil }
            let word = characters[(place + 1)...].prefix(while: isNameCharacter)
            guard word.endIndex < characters.count, characters[word.endIndex] == "}", isName(word)
            else { return nil }
            let name = String(word)
            return counts(name) ? name : nil
        }
        while at < characters.count {
            if let name = name(at: at + 1), characters[at] == "{",
                at + name.count + 3 < characters.count, characters[at + name.count + 3] == "}"
            {
                plain += "{\(name)}"
                at += name.count + 4
            } else if let name = name(at: at), at == 0 || characters[at - 1] != "$" {
                if !plain.isEmpty { pieces.append(.text(plain)) }
                plain = ""
                pieces.append(.name(name, offset: at))
                at += name.count + 2
            } else {
                plain.append(characters[at])
                at += 1
            }
        }
        if !plain.isEmpty { pieces.append(.text(plain)) }
        return pieces
    }

    /// A text that `expand` turns into this one: each name in braces gets one more pair of them.
    public static func escaped(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let brace = rest.firstIndex(of: "{") {
            let word = rest[rest.index(after: brace)...].prefix(while: isNameCharacter)
            let isPlaceholder = isName(word) && rest[word.endIndex...].first == "}"
            result += rest[..<brace] + (isPlaceholder ? "{{\(word)}}" : "{\(word)")
            rest = rest[(isPlaceholder ? rest.index(after: word.endIndex) : word.endIndex)...]
        }
        return result + rest
    }

    /// Letters, digits, `_`, `-` and `.`, not beginning with a digit: what a sweep's parameters may be called.
    public static func isName(_ characters: some Collection<Character>) -> Bool {
        guard let first = characters.first, first.isLetter || first == "_" else { return false }
        return characters.allSatisfy(isNameCharacter)
    }

    private static func isNameCharacter(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || "_-.".contains(character)
    }
}

extension Point {
    /// A JSON object, in the order of the parameters.
    public var json: String {
        let fields = parameters.map { "\(JSONText.quote($0.name)): \(JSONText.value($0.value))" }
        return "{" + fields.joined(separator: ", ") + "}"
    }
}

/// JSON without Foundation, for the few places that write a line of it (RFC 8259).
public enum JSONText {
    public static func quote(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\0"..<" ":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    public static func value(_ value: ParameterValue) -> String {
        switch value {
        case .string(let text): quote(text)
        // JSON has no infinities.
        case .double(let number) where !number.isFinite: quote(number.description)
        default: value.description
        }
    }
}
