internal import Layers
internal import LinuxSystem
internal import Registry

extension ImageError {
    init(_ error: RegistryError, _ step: String, _ subject: String) {
        let kind: Kind =
            switch error.kind {
            case .unreachable, .interrupted, .tls, .plainHTTP: .unreachable
            case .unauthorized, .forbidden: .denied
            case .notFound: .notFound
            case .rateLimited: .rateLimited
            case .status, .malformed: .registry
            case .cancelled: .cancelled
            case .local(let errno):
                SystemError("write", errno: errno).isDiskFull ? .diskFull : .system
            }
        var errno: Int32?
        if case .local(let number) = error.kind { errno = number }
        let hint =
            kind == .diskFull ? "free some space, or set MARTLET_HOME to another disk" : error.hint
        self.init(
            kind, step, subject, "\(error.step) \(error.subject): \(error.reason)", hint: hint,
            errno: errno)
    }
}
