/// What a registry, or the way to it, refused.
public struct RegistryError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// The host's name is not known, or nothing listens there.
        case unreachable
        /// The connection broke or stalled; trying again may help.
        case interrupted
        case tls
        /// Plain HTTP to another machine, which nobody asked for.
        case plainHTTP
        /// 401, or a token that was not granted.
        case unauthorized
        /// 403.
        case forbidden
        case notFound
        /// 429, with the seconds until it may be tried again where they were told.
        case rateLimited(retryAfter: Int?)
        /// Any other status that is no success.
        case status(Int)
        /// An answer that no specification allows, or one larger than its limit.
        case malformed
        case cancelled
        /// This machine: writing what came, reading what is sent. The value is errno(3).
        case local(Int32)
    }
    public let kind: Kind
    /// `GET`, `HEAD`, `PUT`, `POST`, or a step of ours.
    public let step: String
    /// URL without query, or host.
    public let subject: String
    public let reason: String
    public let hint: String?

    public init(
        _ kind: Kind, _ step: String, _ subject: String, _ reason: String, hint: String? = nil
    ) {
        self.kind = kind
        self.step = step
        self.subject = subject
        self.reason = reason
        self.hint = hint
    }

    public var description: String {
        "\(step) \(subject): \(reason)" + (hint.map { "; \($0)" } ?? "")
    }

    /// Whether this machine refused, as a full disk does, and not the registry.
    public var isOfThisMachine: Bool {
        if case .local = kind { true } else { false }
    }

    /// Whether the same request may well succeed later.
    var isTransient: Bool {
        switch kind {
        case .interrupted, .rateLimited: true
        case .status(let status): status == 408 || status >= 500
        default: false
        }
    }
}
