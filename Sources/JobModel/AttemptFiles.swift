/// What an ended attempt left in its directory on a node: outputs and results.
public struct AttemptFiles: Sendable, Hashable, Codable {
    /// Directories before what is in them.
    public var list: [LeftFile]
    /// Bytes of the list where it is too long for a message: it is read as a file, `AttemptFiles.listName`.
    public var listSize: Int64?
    /// What is not in the list though it lies there, and why.
    public var problems: [String]?

    public init(_ list: [LeftFile] = [], problems: [String]? = nil) {
        self.list = list
        self.problems = problems
    }

    /// In the attempt's directory on the node: this, as JSON.
    public static let listName = "files.json"
    /// Files, links and directories of one attempt; more are problems.
    public static let most = 100_000
    /// Bytes in all that come with the list itself, where the link is not busy.
    public static let inlineLimit: Int64 = 32 << 10
}

/// One of them.
public struct LeftFile: Sendable, Hashable, Codable {
    public enum Kind: Sendable, Hashable, Codable {
        /// Its size in bytes, and CRC-32C.
        case file(size: Int64, checksum: UInt32)
        case directory
        /// Where it leads.
        case link(String)
    }
    /// Below the attempt's directory: `stdout`, `results/a/b`.
    public var path: String
    public var kind: Kind
    /// Permission bits of stat(2).
    public var mode: UInt32
    /// Of a file, where it came along.
    public var content: LeftContent?

    public init(_ path: String, _ kind: Kind, mode: UInt32) {
        self.path = path
        self.kind = kind
        self.mode = mode
    }

    public var size: Int64 { if case .file(let size, _) = kind { size } else { 0 } }
}

/// The bytes of a small file in a message: most are text, which JSON carries as it is.
public enum LeftContent: Sendable, Hashable, Codable {
    case text(String)
    case bytes([UInt8])

    public init(_ bytes: [UInt8]) {
        self = String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .bytes(bytes)
    }

    public var bytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        }
    }
}
