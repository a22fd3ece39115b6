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
    /// Seconds that the other side wants to be left alone, where it said so.
    let retryAfter: Int?

    public init(
        _ kind: Kind, _ step: String, _ subject: String, _ reason: String, hint: String? = nil
    ) {
        self.init(kind, step, subject, reason, hint: hint, retryAfter: nil)
    }

    init(
        _ kind: Kind, _ step: String, _ subject: String, _ reason: String, hint: String? = nil,
        retryAfter: Int?
    ) {
        self.kind = kind
        self.step = step
        self.subject = subject
        self.reason = reason
        self.hint = hint
        self.retryAfter = retryAfter
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
        case .status(let status): Self.isTransient(status: status)
        default: false
        }
    }

    /// Statuses of which RFC 9110 §15 and RFC 8470 say that they pass; 501 and 505 do not.
    static func isTransient(status: Int) -> Bool {
        [408, 425, 500, 502, 503, 504].contains(status)
    }

    /// Whether it is not the other side that failed.
    var isOurs: Bool {
        switch kind {
        case .cancelled, .local: true
        default: false
        }
    }

    /// The same, with more to say.
    func adding(_ more: String) -> RegistryError {
        RegistryError(kind, step, subject, "\(reason); \(more)", hint: hint, retryAfter: retryAfter)
    }
}
