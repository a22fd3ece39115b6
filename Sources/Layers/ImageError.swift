internal import LinuxSystem
internal import OCISpec

/// What kept an image from being there: which step, on what, why, and what to do about it.
public struct ImageError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable {
        /// The text names no image: a person's mistake (exit status 2).
        case malformed
        /// The path or reference names nothing that exists.
        case notFound
        /// The registry wants other credentials.
        case denied
        /// Name, network, TLS: the registry was not reached.
        case unreachable
        case rateLimited
        /// The registry answered with an error of its own, or against the specification.
        case registry
        /// Bytes are not those that the digest or the size promises.
        case corrupt
        /// An archive entry that would write outside its layer, or that no rule allows.
        case hostile
        /// Something that Martlet cannot do with this image.
        case unsupported
        case diskFull
        /// A job or a mount needs it.
        case inUse
        case system
        case cancelled
    }
    public let kind: Kind
    /// `pull`, `unpack`, `read manifest`.
    public let step: String
    /// Reference, digest, or layer and entry.
    public let subject: String
    public let reason: String
    public let hint: String?
    /// errno(3) where the kernel refused.
    public let errno: Int32?

    public init(
        _ kind: Kind, _ step: String, _ subject: String, _ reason: String, hint: String? = nil,
        errno: Int32? = nil
    ) {
        self.kind = kind
        self.step = step
        self.subject = subject
        self.reason = reason
        self.hint = hint
        self.errno = errno
    }

    /// Whether the person who typed the reference has to change it: exit status 2, where everything else is 3.
    public var isUsage: Bool { kind == .malformed }

    public var description: String {
        (subject.isEmpty ? step : "\(step) \(subject)") + ": \(reason)"
            + (hint.map { "; \($0)" } ?? "")
    }
}
