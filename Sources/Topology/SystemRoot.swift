internal import Glibc
internal import LinuxSystem

/// The directory below which a machine's files are read: `/`, or where a captured machine lies. Links do not lead out of it.
struct SystemRoot: ~Copyable {
    let path: String
    private let directory: OwnedFD

    init(_ path: String) throws(SystemError) {
        self.path = path
        directory = try OwnedFD.open(path, RootedPath.openPath | O_DIRECTORY)
    }

    /// Throws ENOENT for what is not there, EFBIG for what is longer than `limit` bytes.
    func bytes(_ path: String, limit: Int = 1 << 20) throws(SystemError) -> [UInt8] {
        let file = try RootedPath.open(root: directory.raw, path, O_RDONLY | O_NONBLOCK)
        return try Files.read(file.raw, path, limit: limit)
    }

    /// Without blanks at its ends. Nil where it cannot be read: every machine lacks some of the files.
    func text(_ path: String) -> String? {
        guard let bytes = try? bytes(path) else { return nil }
        let isContent: (UInt8) -> Bool = { $0 > 0x20 }
        guard let first = bytes.firstIndex(where: isContent),
            let last = bytes.lastIndex(where: isContent)
        else { return "" }
        return String(decoding: bytes[first...last], as: UTF8.self)
    }

    /// Decimal, or hexadecimal after 0x. Nil where it cannot be read.
    func number(_ path: String) -> Int? {
        guard let text = text(path) else { return nil }
        return text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    }

    /// Of a list, or of the mask that older kernels have alone. Nil where neither can be read.
    func cpus(_ list: String, mask: String? = nil) -> [Int]? {
        if let text = text(list) { return CPUList.parse(text) }
        return mask.flatMap { text($0) }.map { CPUList.parse(mask: $0) }
    }

    /// In no order; none where there is no such directory.
    func names(in path: String) -> [String] {
        guard let listed = try? entries(of: path) else { return [] }
        return listed
    }

    func entries(of path: String) throws(SystemError) -> [String] {
        let opened = try RootedPath.open(root: directory.raw, path, O_RDONLY | O_DIRECTORY)
        return try Files.names(in: opened.raw)
    }

    /// The numbers in names such as `cpu12`, ascending.
    func numbers(in path: String, after prefix: String) -> [Int] {
        names(in: path).compactMap {
            $0.hasPrefix(prefix) ? Int($0.dropFirst(prefix.count)) : nil
        }.sorted()
    }

    /// What a symbolic link says; nil where there is none.
    func link(_ path: String) -> String? {
        let (parent, name) = RootedPath.split(path)
        guard
            let folder = try? RootedPath.open(
                root: directory.raw, parent, RootedPath.openPath | O_DIRECTORY)
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = bytes.withUnsafeMutableBytes { buffer in
            buffer.withMemoryRebound(to: CChar.self) { chars in
                chars.baseAddress.map { readlinkat(folder.raw, name, $0, chars.count) } ?? -1
            }
        }
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
}
