/// Puts a point's values into a command: `{lr}` becomes the value of lr, `{index}` the task's index, `{job}` the job's number;
/// `{{` and `}}` are braces.
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
    public func expand(_ text: String) -> String {
        var result = ""
        for piece in Self.pieces(of: text) {
            switch piece {
            case .text(let text): result += text
            case .name(let name, _): result += values[name] ?? "{\(name)}"
            }
        }
        return result
    }

    /// In a shell script braces mean much else, so only a known name in braces is replaced, and `${lr}` is left to the shell.
    public func expandScript(_ script: String) -> String {
        var result = ""
        var rest = script[...]
        while let brace = rest.firstIndex(of: "{") {
            result += rest[..<brace]
            let inner = rest[rest.index(after: brace)...]
            let close = inner.firstIndex(of: "}")
            if result.last != "$", let close, let value = values[String(inner[..<close])] {
                result += value
                rest = inner[inner.index(after: close)...]
            } else {
                result.append("{")
                rest = inner
            }
        }
        return result + rest
    }

    public enum Piece: Sendable, Hashable {
        case text(String)
        /// With the offset of its `{` in characters.
        case name(String, offset: Int)
    }

    /// Splits a command word. A brace without its partner, or around nothing, is text.
    public static func pieces(of text: String) -> [Piece] {
        let characters = Array(text)
        var pieces: [Piece] = []
        var plain = ""
        var at = 0
        while at < characters.count {
            let character = characters[at]
            if character == "{" || character == "}", at + 1 < characters.count,
                characters[at + 1] == character
            {
                plain.append(character)
                at += 2
                continue
            }
            if character == "{", let close = characters[at...].firstIndex(of: "}"),
                isName(characters[(at + 1)..<close])
            {
                if !plain.isEmpty { pieces.append(.text(plain)) }
                plain = ""
                pieces.append(.name(String(characters[(at + 1)..<close]), offset: at))
                at = close + 1
                continue
            }
            plain.append(character)
            at += 1
        }
        if !plain.isEmpty { pieces.append(.text(plain)) }
        return pieces
    }

    /// Letters, digits, `_`, `-` and `.`, not beginning with a digit: what a sweep's parameters may be called.
    public static func isName(_ characters: some Collection<Character>) -> Bool {
        guard let first = characters.first, first.isLetter || first == "_" else { return false }
        return characters.allSatisfy {
            $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == "."
        }
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
