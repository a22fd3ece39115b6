internal import GRDB

/// A step of the database that failed: what, on what, why, and what to do.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// No room: of the disk, of a quota, or of the database's own page limit.
        case diskFull
        case corrupt
        /// Made by a later version of Martlet.
        case tooNew
        case system
    }
    public let kind: Kind
    /// `open`, `commit`, `read`.
    public let step: String
    public let subject: String
    public let reason: String

    public init(_ kind: Kind, _ step: String, _ subject: String, _ reason: String) {
        self.kind = kind
        self.step = step
        self.subject = subject
        self.reason = reason
    }

    init(_ step: String, _ subject: String, _ error: any Error) {
        if let known = error as? StoreError {
            self = known
            return
        }
        guard let error = error as? DatabaseError else {
            self.init(.system, step, subject, "\(error)")
            return
        }
        let kind: Kind =
            switch error.resultCode {
            case .SQLITE_FULL: .diskFull
            // Growing the shared-memory index needs room, too.
            case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHMSIZE: .diskFull
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupt
            default: .system
            }
        self.init(
            kind, step, subject, error.message ?? "SQLite error \(error.extendedResultCode)")
    }

    public var hint: String? {
        switch kind {
        case .diskFull: "make room; it goes on by itself"
        case .corrupt: "move the database away to begin anew; job directories stay"
        case .tooNew: "use the version of Martlet that made it"
        case .system: nil
        }
    }

    public var description: String {
        "\(step) \(subject): \(reason)" + (hint.map { "; \($0)" } ?? "")
    }
}
