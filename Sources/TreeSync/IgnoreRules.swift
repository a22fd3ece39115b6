/// What a `.martletignore` leaves out of the directory that it lies in, in the language of gitignore(5).
struct IgnoreRules {
    static let name = Array(".martletignore".utf8)
    /// Bytes of a file that is read.
    static let longest = 1 << 20

    private struct Pattern {
        var bytes: [UInt8]
        var isNegated = false
        var isForDirectories = false
        /// It says where; else any name below may match.
        var isPath = false
    }
    private var patterns: [Pattern] = []
    /// Bytes of a path from the tree's own directory that name the rules' directory, its slash included.
    private let depth: Int

    /// - Parameter directory: of the rules, from the tree's own; empty for that one.
    init(_ text: [UInt8], in directory: [UInt8]) {
        depth = directory.isEmpty ? 0 : directory.count + 1
        var text = text[...]
        if text.starts(with: [0xef, 0xbb, 0xbf]) { text = text.dropFirst(3) }
        for line in text.split(separator: UInt8(ascii: "\n")) {
            if let pattern = Self.pattern(Array(line)) { patterns.append(pattern) }
        }
    }

    private static func pattern(_ line: [UInt8]) -> Pattern? {
        guard line.first != UInt8(ascii: "#") else { return nil }
        var pattern = Pattern(bytes: trimmed(line))
        if pattern.bytes.first == UInt8(ascii: "!") {
            pattern.isNegated = true
            pattern.bytes.removeFirst()
        }
        if pattern.bytes.last == UInt8(ascii: "/") {
            pattern.isForDirectories = true
            pattern.bytes.removeLast()
        }
        pattern.isPath = pattern.bytes.contains(UInt8(ascii: "/"))
        if pattern.bytes.first == UInt8(ascii: "/") { pattern.bytes.removeFirst() }
        return pattern.bytes.isEmpty || pattern.bytes.contains(0) ? nil : pattern
    }

    /// Without the spaces at its end, but for one that a backslash keeps.
    private static func trimmed(_ line: [UInt8]) -> [UInt8] {
        var (end, place) = (0, 0)
        while place < line.count {
            if line[place] == UInt8(ascii: "\\") {
                place += 1
                // A backslash at the very end keeps all.
                guard place < line.count else { return line }
                end = place + 1
            } else if line[place] != UInt8(ascii: " ") {
                end = place + 1
            }
            place += 1
        }
        return Array(line[..<end])
    }

    /// True for what is left out, false for what is taken in again; nil where these rules say nothing of it.
    /// - Parameter path: from the tree's own directory.
    func ignores(_ path: [UInt8], isDirectory: Bool) -> Bool? {
        let inside = Array(path.dropFirst(depth))
        let name = inside.lastIndex(of: UInt8(ascii: "/")).map { Array(inside[($0 + 1)...]) }
        // The last that matches counts.
        let last = patterns.last { pattern in
            (isDirectory || !pattern.isForDirectories)
                && Wildcard.matches(pattern.bytes, pattern.isPath ? inside : name ?? inside)
        }
        return last.map { !$0.isNegated }
    }
}
