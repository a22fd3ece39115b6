import ArgumentParser
import JobModel
import LinuxSystem
import Registry
import ServerAPI

/// The exit statuses of every command: a contract with scripts.
enum Status: Int32 {
    case success = 0
    /// Some task did not succeed.
    case taskFailed = 1
    /// The command line or the spec is wrong; nothing was done.
    case usage = 2
    /// Server, node, registry or disk.
    case infrastructure = 3
    case deadline = 124
    case interrupted = 130
}

/// An error on its way to standard error.
struct Failure: Error {
    let status: Status
    let message: String
    let hint: String?

    init(_ status: Status, _ message: String, hint: String? = nil) {
        self.status = status
        self.message = message
        self.hint = hint
    }

    /// Nil for what ArgumentParser itself knows how to tell.
    init?(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as Selector.Malformed: self.init(.usage, error.description)
        case let error as SweepError: self.init(.usage, error.description)
        case let report as ErrorReport:
            self.init(
                report.isUsage == true ? .usage : .infrastructure, report.error, hint: report.hint)
        case let error as ServerGone:
            self.init(.infrastructure, error.description, hint: error.hint)
        case let error as RegistryError:
            self.init(
                error.kind == .malformed ? .usage : .infrastructure,
                "\(error.step) \(error.subject): \(error.reason)", hint: error.hint)
        case let error as SystemError: self.init(.infrastructure, error.description)
        default: return nil
        }
    }
}

extension ExitCode {
    /// A result that is no error to tell: the status alone.
    init(_ status: Status) { self.init(status.rawValue) }
}
