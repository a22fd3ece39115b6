internal import NodeLink

/// Why a node does not have a job's image, and what to do about it.
public struct DeliveryError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// The link to the node, or its agent, has gone: the same again, once it is back, goes on where this ended.
        case nodeGone
        case diskFull
        /// Bytes were not what the image promises.
        case corrupt
        /// The node cannot use this image whatever is done.
        case unsupported
        /// The head does not have it.
        case notFound
        case cancelled
        case other
    }
    public let kind: Kind
    public let node: String
    public let reason: String
    public let hint: String?

    public var description: String { "node \(node): \(reason)" + (hint.map { "; \($0)" } ?? "") }

    init(_ kind: Kind, node: String, _ reason: String, hint: String? = nil) {
        self.kind = kind
        self.node = node
        self.reason = reason
        self.hint = hint
    }

    init(_ failure: DeliveryFailure, node: String) {
        let kind: Kind =
            switch failure.kind {
            case "diskFull": .diskFull
            case "corrupt", "hostile": .corrupt
            case "unsupported", "malformed": .unsupported
            case "notFound": .notFound
            case "cancelled": .cancelled
            default: .other
            }
        let subject = failure.subject.isEmpty ? failure.step : "\(failure.step) \(failure.subject)"
        self.init(
            kind, node: node, "\(subject): \(failure.reason)",
            hint: kind == .diskFull
                ? "free some space there, or give the node another directory" : failure.hint)
    }
}
