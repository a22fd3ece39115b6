internal import Glibc
internal import LinuxSystem

/// Reads a file as it grows, in whole lines.
struct LineFollower {
    /// Bytes of one look: what a task writes faster waits for the next.
    static let slice = 1 << 20
    static let smallestSlice = 1 << 12

    private let path: String
    private let longestLine: Int
    private var offset = 0
    /// A line that has no end yet; nil while one passes that is too long.
    private var torn: [UInt8]? = []
    /// Bytes of the next look.
    private var wanted = slice

    /// - Parameter longestLine: bytes; longer lines are passed over.
    init(_ path: String, longestLine: Int) {
        self.path = path
        self.longestLine = longestLine
    }

    /// What is new. The task owns the file, so a link is not followed and an odd file not read; one that cannot be read has nothing
    /// new.
    mutating func read() -> (lines: [ArraySlice<UInt8>], isAtEnd: Bool) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            // A file that has shrunk was begun anew.
            status.st_size != offset,
            let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
            fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG
        else { return ([], true) }
        if status.st_size < offset { (offset, torn) = (0, []) }
        let count = min(wanted, status.st_size - offset)
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(file.raw, buffer.baseAddress, count, offset))
        }
        offset += bytes.count
        return (take(bytes), bytes.isEmpty || offset >= status.st_size)
    }

    /// Lines whose looking through takes long come fewer at a time, so that others are served in between.
    mutating func note(milliseconds: Int64) {
        if milliseconds > 20 {
            wanted = max(Self.smallestSlice, wanted / 2)
        } else if milliseconds < 5 {
            wanted = min(Self.slice, wanted * 2)
        }
    }

    mutating func take(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(where: OutputLines.isEnd) {
            if let torn {
                let line = torn.isEmpty ? rest[..<end] : (torn + rest[..<end])[...]
                if !line.isEmpty, line.count <= longestLine { lines.append(line) }
            }
            torn = []
            rest = rest[(end + 1)...]
        }
        if let begun = torn {
            torn = begun.count + rest.count > longestLine ? nil : begun + rest
        }
        return lines
    }
}

enum OutputLines {
    /// Bars of progress are drawn over and over, with carriage returns.
    static func isEnd(_ byte: UInt8) -> Bool { byte == 10 || byte == 13 }
}
