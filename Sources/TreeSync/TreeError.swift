public import LinuxSystem

/// Why a tree cannot be read, sent or kept: on what, why, and what to do about it.
public struct TreeError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable {
        /// The system refused a step; another try may succeed.
        case system
        /// Something was written while it was read, or since.
        case changed
        /// Bytes are not what they are said to be.
        case corrupt
        case diskFull
        /// Larger than there may be.
        case tooLarge
        /// It is, as it lies there, nothing that can be brought.
        case unfit
        /// A kind that a later version knows.
        case other
    }
    public let kind: Kind
    public let reason: String
    public let hint: String?

    public init(_ kind: Kind, _ reason: String, hint: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.hint = hint
    }

    public init(_ error: SystemError) {
        self.init(
            error.isDiskFull ? .diskFull : .system, "\(error)",
            hint: error.isDiskFull ? "free some space there" : nil)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try container.decode(String.self, forKey: .kind)
        self.kind = Kind(rawValue: kind) ?? .other
        reason = try container.decode(String.self, forKey: .reason)
        hint = try container.decodeIfPresent(String.self, forKey: .hint)
    }

    public var description: String { reason + (hint.map { "; \($0)" } ?? "") }
}

/// Runs steps of the system, whose errors become the tree's.
@discardableResult
func system<R: ~Copyable>(_ body: () throws(SystemError) -> R) throws(TreeError) -> R {
    do throws(SystemError) { return try body() } catch { throw TreeError(error) }
}
