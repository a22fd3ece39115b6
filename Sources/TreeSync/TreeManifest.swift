/// What a tree holds: its names, kinds, modes and times, and of its files the digests of the pieces that they are cut into.
///
/// Two trees with the same manifest are the same; owners and extended attributes are no part of it.
public struct TreeManifest: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case directory
        /// Its pieces, as a range of `chunks`.
        case file(Range<Int>)
        case link([UInt8])
    }

    public struct Entry: Sendable, Equatable {
        /// Place of its directory among the entries.
        public var parent: Int
        /// One component of a path; any bytes but NUL and `/`.
        public var name: [UInt8]
        public var kind: Kind
        /// Permissions alone, 0…0777: what comes from another machine gives nobody an identity.
        public var mode: UInt32
        public var modified: ModificationTime
    }

    public struct Chunk: Sendable, Hashable {
        public var sum: ChunkSum
        /// Bytes, 1…`ChunkCut.longest`.
        public var length: Int
    }

    /// The first is the tree's own directory, without a name. All in a directory stand together, ascending by name, and directories
    /// in the order of their own places: so nothing can stand there twice, or above itself.
    public internal(set) var entries: [Entry]
    /// Of all files, in the order of the entries.
    public internal(set) var chunks: [Chunk]
    /// What was asked for is the one file in the tree, and not the directory around it.
    public internal(set) var isFile: Bool

    /// Bytes in all files.
    public var size: Int64 { chunks.reduce(0) { $0 + Int64($1.length) } }

    /// Entries at most, and pieces of files.
    static let mostEntries = 5_000_000
    static let mostChunks = 50_000_000
    /// Bytes of a path from the tree's own directory: the kernel takes no longer ones in one call (PATH_MAX).
    static let longestPath = 4000

    /// Path of an entry from the tree's own directory, which is itself `.`.
    func path(of place: Int) -> [UInt8] {
        guard place > 0 else { return [UInt8(ascii: ".")] }
        var names: [[UInt8]] = []
        var place = place
        while place > 0 {
            names.append(entries[place].name)
            place = entries[place].parent
        }
        return Array(names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }

    /// The same for people.
    func text(of place: Int) -> String { String(decoding: path(of: place), as: UTF8.self) }
}

/// As stat(2) has it.
public struct ModificationTime: Sendable, Hashable {
    public var seconds: Int64
    /// 0…999,999,999.
    public var nanoseconds: Int64
}
