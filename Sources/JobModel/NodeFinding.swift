/// One thing that `martlet nodes check` finds, and what to do about it.
public struct NodeFinding: Sendable, Hashable, Codable {
    public enum Severity: String, Sendable, Codable, CaseIterable, Comparable {
        /// Nothing is wrong; it is as well to know.
        case note
        /// It works, and less well or less safely than it could.
        case warning
        /// Tasks will fail, or be lost.
        case error

        public static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
        private var rank: Int { self == .note ? 0 : self == .warning ? 1 : 2 }
    }

    public var severity: Severity
    public var what: String
    public var remedy: String

    public init(_ severity: Severity, _ what: String, remedy: String) {
        self.severity = severity
        self.what = what
        self.remedy = remedy
    }
}
