// The manifest as bytes, whose SHA-256 is the tree's name. One tree has one such form, and nothing else is read.

extension TreeManifest {
    private static let magic = Array("martlet tree 1\n".utf8)

    private enum Letter {
        static let directory = UInt8(ascii: "d")
        static let file = UInt8(ascii: "f")
        static let link = UInt8(ascii: "l")
    }

    public var bytes: [UInt8] {
        var out = ByteWriter()
        out.bytes = Self.magic
        out.put(isFile ? 1 : 0)
        out.put(UInt64(entries.count))
        for entry in entries {
            out.put(UInt64(entry.parent))
            out.put(entry.name)
            switch entry.kind {
            case .directory: out.bytes.append(Letter.directory)
            case .file(let pieces):
                out.bytes.append(Letter.file)
                out.put(UInt64(pieces.count))
                for chunk in chunks[pieces] {
                    out.put(UInt64(chunk.length))
                    out.bytes += chunk.sum.bytes
                }
            case .link(let target):
                out.bytes.append(Letter.link)
                out.put(target)
            }
            out.put(UInt64(entry.mode))
            out.put(UInt64(bitPattern: entry.modified.seconds))
            out.put(UInt64(entry.modified.nanoseconds))
        }
        return out.bytes
    }

    /// Reads what another machine says, which may be anything.
    public init(bytes: [UInt8]) throws(TreeError) {
        var reader = ByteReader(bytes)
        guard try reader.take(Self.magic.count).elementsEqual(Self.magic) else {
            throw reader.malformed("it is none, or of a later version")
        }
        (entries, chunks) = ([], [])
        isFile = try reader.number(1) == 1
        let count = try reader.number(UInt64(Self.mostEntries))
        guard count > 0 else { throw reader.malformed("it holds nothing") }
        // Not reserved: the count is only what somebody says.
        var lengths: [Int] = []
        for place in 0..<count {
            let entry = try Self.entry(place, from: &reader, &chunks)
            try check(entry, at: place, &lengths, reader)
            entries.append(entry)
        }
        guard reader.isAtEnd else { throw reader.malformed("something follows it") }
        if isFile {
            guard count == 2, case .file = entries[1].kind else {
                throw reader.malformed("it is to be one file")
            }
        }
    }

    private static func entry(_ place: Int, from reader: inout ByteReader, _ chunks: inout [Chunk])
        throws(TreeError) -> Entry
    {
        let parent = try reader.number(UInt64(mostEntries))
        let name = try reader.text(255)
        let kind: Kind
        switch try reader.take(1).first {
        case Letter.directory: kind = .directory
        case Letter.file:
            let start = chunks.count
            for _ in 0..<(try reader.number(UInt64(mostChunks - start))) {
                let length = try reader.number(UInt64(ChunkCut.longest))
                guard length > 0 else { throw reader.malformed("a piece is empty") }
                chunks.append(
                    Chunk(sum: ChunkSum(try reader.take(ChunkSum.size)), length: length))
            }
            kind = .file(start..<chunks.count)
        case Letter.link:
            let target = try reader.text(4095)
            guard !target.isEmpty, !target.contains(0) else {
                throw reader.malformed("a link leads nowhere")
            }
            kind = .link(target)
        default: throw reader.malformed("an entry is of no known kind")
        }
        let mode = UInt32(try reader.number(0o777))
        let seconds = Int64(bitPattern: try reader.word())
        let nanoseconds = Int64(try reader.number(999_999_999))
        return Entry(
            parent: parent, name: name, kind: kind, mode: mode,
            modified: ModificationTime(seconds: seconds, nanoseconds: nanoseconds))
    }

    /// That it stands where it may: `lengths` are those of the paths so far.
    private func check(
        _ entry: Entry, at place: Int, _ lengths: inout [Int], _ reader: ByteReader
    ) throws(TreeError) {
        guard place > 0 else {
            guard entry.parent == 0, entry.name.isEmpty, entry.kind == .directory else {
                throw reader.malformed("it does not begin with a directory")
            }
            return lengths.append(0)
        }
        let name = entry.name
        let text = String(decoding: name, as: UTF8.self)
        guard !name.isEmpty, text != ".", text != "..", !name.contains(UInt8(ascii: "/")),
            !name.contains(0)
        else { throw reader.malformed("'\(text)' is no name") }
        guard entry.parent < place, entries[entry.parent].kind == .directory else {
            throw reader.malformed("'\(text)' lies in no directory")
        }
        if place > 1, let last = entries.last {
            let isNext =
                entry.parent > last.parent
                || entry.parent == last.parent && last.name.lexicographicallyPrecedes(name)
            guard isNext else {
                throw reader.malformed("'\(text)' stands out of order, or twice")
            }
        }
        let length = lengths[entry.parent] + name.count + 1
        guard length <= Self.longestPath else {
            throw reader.malformed("'\(text)' lies too deep")
        }
        lengths.append(length)
    }
}

/// Numbers as LEB128, and bytes after their count.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func put(_ number: UInt64) {
        var rest = number
        while rest > 0x7f {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func put(_ text: [UInt8]) {
        put(UInt64(text.count))
        bytes += text
    }
}

/// The reverse, of bytes that nobody vouches for.
struct ByteReader {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { place == bytes.count }

    func malformed(_ reason: String) -> TreeError {
        TreeError(.corrupt, "a tree's manifest that does not read at byte \(place): \(reason)")
    }

    mutating func take(_ count: Int) throws(TreeError) -> ArraySlice<UInt8> {
        guard count <= bytes.count - place else { throw malformed("it ends early") }
        place += count
        return bytes[place - count..<place]
    }

    mutating func word() throws(TreeError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard place < bytes.count else { throw malformed("it ends early") }
            let byte = bytes[place]
            place += 1
            let part = UInt64(byte & 0x7f)
            // The shortest form alone: one tree has one name.
            guard (part << shift) >> shift == part, byte != 0 || shift == 0 else { break }
            value |= part << shift
            if byte & 0x80 == 0 { return value }
        }
        throw malformed("a number is none")
    }

    mutating func number(_ most: UInt64) throws(TreeError) -> Int {
        let value = try word()
        guard value <= most else { throw malformed("\(value) where \(most) is the most") }
        return Int(value)
    }

    mutating func text(_ most: UInt64) throws(TreeError) -> [UInt8] {
        Array(try take(try number(most)))
    }
}
