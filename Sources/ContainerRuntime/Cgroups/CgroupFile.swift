internal import Glibc
internal import LinuxSystem

/// The files of cgroup directories: small, read whole, each written in one call.
enum CgroupFile {
    static func write(_ path: String, _ text: String) throws(SystemError) {
        try write(path, lines: [text])
    }

    /// One after the other, each in a call of its own.
    static func write(_ path: String, lines: [String]) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY)
        for line in lines { try Files.writeAll(file.raw, line.utf8, path) }
    }

    /// Empty where the file is missing or unreadable: nothing is granted, nothing counted.
    static func text(_ path: String) -> String { (try? Files.text(path)) ?? "" }

    static func words(_ path: String) -> [String] {
        text(path).utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
            .map { String(Substring($0)) }
    }

    /// Nil where the file is missing, or says `max` or another word.
    static func number(_ path: String) -> UInt64? { words(path).first.flatMap { UInt64($0) } }

    /// cgroup-v2.rst, "flat keyed": `KEY VALUE` lines. Those that are no numbers are left out.
    static func table(_ path: String) -> [String: UInt64] {
        var table: [String: UInt64] = [:]
        for line in text(path).utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " ")).map(Substring.init)
            if fields.count == 2, let value = UInt64(fields[1]) { table[String(fields[0])] = value }
        }
        return table
    }
}
