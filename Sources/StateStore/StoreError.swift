internal import GRDB

/// A step of the database that failed: what, on what, why, and what to do.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// No room: of the disk, of a quota, or of the database's own page limit.
        case diskFull
        case corrupt
        /// Made by a later version of Martlet.
        case tooNew
        /// What stands in its place, or who may use it, is for the user to set right.
        case misplaced
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
            // Values that no version wrote.
            let isValue = error is RowDecodingError || error is DecodingError
            self.init(isValue ? .corrupt : .system, step, subject, "\(error)")
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
        case .misplaced, .system: nil
        }
    }

    /// What to do about the database at `path`, and what it costs.
    public func advice(_ path: String) -> String? {
        guard kind == .corrupt else { return hint }
        return """
            `martlet server stop`, then `mkdir \(path).damaged && mv \(path) \(path)-* \(path).damaged/` begins anew: it \
            forgets jobs, nodes and states, while logs and results stay under jobs/, and new jobs get new numbers; \
            `sqlite3 \(path).damaged/state.db .recover` may save rows
            """
    }

    /// Of a submit of which neither can be said: that it is on disk, or that it will not be found there.
    var unsure: StoreError {
        StoreError(
            kind, step, subject,
            reason
                + "; `martlet ls` tells whether it was accepted all the same, once the disk works again"
        )
    }

    /// Without what to do.
    public var text: String { "\(step) \(subject): \(reason)" }

    public var description: String { text + (hint.map { "; \($0)" } ?? "") }
}
