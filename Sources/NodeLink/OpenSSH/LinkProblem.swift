/// Why a node cannot be reached or used, and what its user can do.
public struct LinkProblem: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        // Of the command line.
        case badDestination, sshMissing
        // Of the network.
        case unknownHost, refused, unreachable, timedOut
        /// The other side takes no more connections just now (sshd_config(5): MaxStartups, PerSourcePenalties).
        case throttled
        /// A connection that stood has ended.
        case lost
        // Of trust.
        case hostKeyUnknown, hostKeyChanged, permissionDenied
        // Of the node.
        case noisyShell, noShell, noSpace, notLinux, otherArchitecture, agentFails
        /// Another head has this node.
        case refusedByAgent
        case other
    }

    public var kind: Kind
    /// One line or a few, fit for a terminal.
    public var reason: String
    /// A sentence that says what to do; nil where nothing but waiting helps.
    public var remedy: String?

    public init(_ kind: Kind, _ reason: String, remedy: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.remedy = remedy
    }

    public var description: String { remedy.map { "\(reason); \($0)" } ?? reason }

    /// Without what moves a terminal's cursor or worse: control characters, and those that turn the writing's direction.
    public static func neutralised(_ text: some StringProtocol) -> String {
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x09: clean.append(" ")
            case 0..<0x20, 0x7f..<0xa0, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069:
                clean.append("\u{fffd}")
            default: clean.append(scalar)
            }
        }
        return String(clean)
    }
}
