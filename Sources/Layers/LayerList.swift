internal import Glibc
internal import LinuxSystem

/// What an unpacked layer holds, written down when it was unpacked: one record for every entry, with a checksum of its content.
/// Kept beside the layer; by it `verify` finds what changed since, without the archive.
///
/// A record is `kind mode uid gid links size seconds content attributes name` and a NUL; the last one of all is
/// `end entries bytes sum`, with the sum of everything before it.
package struct LayerList {
    /// Every record but the last.
    var records: [UInt8] = []
    package var entries = 0
    /// Bytes of all files, those with several names once.
    package var bytes: Int64 = 0

    /// Reads a tree from an open root. `known` has sums of files that need not be read.
    package init(of root: Int32, form: OverlayForm, known: ContentSums? = nil) throws(LayerError) {
        var walk = ListingWalk(form: form, known: known)
        try walk.walk(root)
        (records, entries, bytes) = (walk.records, walk.entries, walk.bytes)
    }

    package init(of path: String, form: OverlayForm, known: ContentSums? = nil) throws(LayerError) {
        guard let root = try Raw.open(AT_FDCWD, Array(path.utf8).cName, O_RDONLY | O_DIRECTORY)
        else { throw LayerError(system: ENOENT, "open") }
        defer { close(root) }
        try self.init(of: root, form: form, known: known)
    }

    /// Nil where the file is not whole.
    init?(encoded: [UInt8]) {
        guard let end = Self.end(of: encoded[...]),
            ContentSum.of(Array(encoded[..<end.start])).value == end.sum
        else { return nil }
        records = Array(encoded[..<end.start])
        (entries, bytes) = (end.entries, end.bytes)
    }

    var encoded: [UInt8] {
        let sum = String(ContentSum.of(records).value, radix: 16)
        return records + Array("end \(entries) \(bytes) \(sum)\0".utf8)
    }

    /// Bytes of the layer that a list is of, from its end alone; nil where it has none that is whole.
    package static func bytes(listedIn path: String) -> Int64? {
        tail(of: path).flatMap { end(of: $0) }?.bytes
    }

    /// The last record of a list, which sums up all others; nil where it has none that is whole.
    static func ending(of path: String) -> String? {
        guard let tail = tail(of: path), let end = end(of: tail) else { return nil }
        return "end \(end.entries) \(end.bytes) \(String(end.sum, radix: 16))"
    }

    private static func tail(of path: String) -> ArraySlice<UInt8>? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var tail = [UInt8](repeating: 0, count: 128)
        let start = max(0, lseek(file, 0, SEEK_END) - off_t(tail.count))
        let count = pread(file, &tail, tail.count, start)
        return count > 0 ? tail[..<count] : nil
    }

    private static func end(of encoded: ArraySlice<UInt8>) -> (
        start: Int, entries: Int, bytes: Int64, sum: UInt64
    )? {
        guard encoded.last == 0 else { return nil }
        let before = encoded.dropLast().lastIndex(of: 0).map { $0 + 1 } ?? encoded.startIndex
        let words = String(decoding: encoded[before...].dropLast(), as: UTF8.self).split(
            separator: " ")
        guard words.count == 4, words[0] == "end", let entries = Int(words[1]),
            let bytes = Int64(words[2]), let sum = UInt64(words[3], radix: 16)
        else { return nil }
        return (before, entries, bytes, sum)
    }

    /// What is otherwise in `actual`, for people; at most `limit` of it, and how much there is in all.
    package func differences(from actual: LayerList, limit: Int = 5) -> (
        first: [String], count: Int
    ) {
        if records == actual.records { return ([], 0) }
        let (mine, theirs) = (byName, actual.byName)
        var found: [String] = []
        for (name, record) in mine {
            guard let other = theirs[name] else {
                found.append("\(LayerError.printable(name)) is missing")
                continue
            }
            if other != record { found.append("\(LayerError.printable(name)) has changed") }
        }
        for name in theirs.keys where mine[name] == nil {
            found.append("\(LayerError.printable(name)) was added")
        }
        return (Array(found.sorted().prefix(limit)), found.count)
    }

    private var byName: [[UInt8]: ArraySlice<UInt8>] {
        var result: [[UInt8]: ArraySlice<UInt8>] = [:]
        result.reserveCapacity(entries)
        for record in records.split(separator: 0) {
            // A name may have spaces.
            let fields = record.split(separator: 32, maxSplits: 9, omittingEmptySubsequences: false)
            guard fields.count == 10 else { continue }
            result[Array(fields[9])] = record[..<fields[9].startIndex]
        }
        return result
    }
}
