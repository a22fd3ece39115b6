internal import Layers
internal import NodeLink

extension DeliveryFailure {
    init(_ error: ImageError) {
        self.init(
            kind: error.kind.rawValue, step: error.step, subject: error.subject,
            reason: error.reason, hint: error.hint, errno: error.errno)
    }
}

extension ImageError {
    init(_ failure: DeliveryFailure) {
        self.init(
            Kind(rawValue: failure.kind) ?? .system, failure.step, failure.subject, failure.reason,
            hint: failure.hint, errno: failure.errno)
    }
}
