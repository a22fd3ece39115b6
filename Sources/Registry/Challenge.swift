/// One challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1).
public struct Challenge: Hashable, Sendable {
    /// `bearer`, `basic`: in lower case.
    public var scheme: String
    /// Names in lower case; of a name given twice the first counts.
    public var parameters: [String: String]
    public init(scheme: String, parameters: [String: String] = [:]) {
        self.scheme = scheme
        self.parameters = parameters
    }

    /// Reads every challenge of one header field; one header may hold several, and quoted values hold commas.
    /// What cannot be read ends the list: the challenges before it still count.
    public static func parse(_ header: String) -> [Challenge] {
        var scanner = ChallengeScanner(header)
        var challenges: [Challenge] = []
        while let scheme = scanner.scheme() {
            var challenge = Challenge(scheme: scheme.lowercased())
            while let (name, value) = scanner.parameter() {
                if challenge.parameters[name] == nil { challenge.parameters[name] = value }
            }
            challenges.append(challenge)
        }
        return challenges
    }
}

/// The tokens of RFC 9110 §5.6: token, quoted-string, and optional white space and commas between.
struct ChallengeScanner {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// A token that no `=` follows: `Bearer`. Skips commas before it.
    mutating func scheme() -> String? {
        skip(commas: true)
        return token()
    }

    /// `name=value`, with the value a token or quoted; nil, and nothing consumed, where something else stands.
    mutating func parameter() -> (name: String, value: String)? {
        let start = at
        skip(commas: true)
        if let name = token() {
            skip(commas: false)
            if at < bytes.count, bytes[at] == UInt8(ascii: "=") {
                at += 1
                skip(commas: false)
                if let value = at < bytes.count && bytes[at] == UInt8(ascii: "\"")
                    ? quoted() : token()
                {
                    return (name.lowercased(), value)
                }
            }
        }
        at = start
        return nil
    }

    private mutating func skip(commas: Bool) {
        while at < bytes.count {
            let byte = bytes[at]
            guard byte == 32 || byte == 9 || (commas && byte == UInt8(ascii: ",")) else { return }
            at += 1
        }
    }

    private mutating func token() -> String? {
        let start = at
        while at < bytes.count, Self.isTokenByte(bytes[at]) { at += 1 }
        return at > start ? String(decoding: bytes[start..<at], as: UTF8.self) : nil
    }

    private mutating func quoted() -> String? {
        at += 1
        var value: [UInt8] = []
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at += 1
                return String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "\\") where at + 1 < bytes.count:
                value.append(bytes[at + 1])
                at += 2
            default:
                value.append(bytes[at])
                at += 1
            }
        }
        return nil
    }

    /// tchar of RFC 9110 §5.6.2, and the bytes that registries put into unquoted values (`/`, `:`).
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: Array("!#$%&'*+-.^_`|~/:".utf8).contains(byte)
        }
    }
}
