public import Glibc

/// All that lies below a directory, a slice at a time, directories before what is in them. By descriptor: nothing leads out of it.
public final class TreeWalk {
    public struct Entry {
        public let path: [String]
        public let status: stat
        /// Of a link.
        public let target: String?

        public init(path: [String], status: stat, target: String? = nil) {
            self.path = path
            self.status = status
            self.target = target
        }
    }
    /// Entries in one step.
    private static let slice = 200

    private let root: Int32
    /// Entries in all, and directories in each other; what is more was made to be so, and is a problem.
    private let limits: (files: Int, depth: Int)
    private var waiting: [[String]]
    private var open: (path: [String], reader: DirectoryReader)?
    private var count = 0
    public private(set) var problems: [String] = []

    /// The descriptor stays the caller's.
    public init(_ start: [String], in root: Int32, limits: (files: Int, depth: Int)) {
        self.limits = limits
        self.root = root
        waiting = [start]
    }

    /// Gives some more entries; nil when all has been seen. Throws where descriptors are short: then the same is tried again.
    public func step() throws(SystemError) -> [Entry]? {
        var found: [Entry] = []
        for _ in 0..<Self.slice {
            if open == nil {
                guard let next = waiting.last else { return found.isEmpty ? nil : found }
                try openDirectory(next)
                waiting.removeLast()
            }
            guard let (path, reader) = open else { continue }
            guard let entry = reader.next() else {
                open = nil
                continue
            }
            if let seen = look(at: entry, in: path, reader.raw) { found.append(seen) }
        }
        return found
    }

    private func openDirectory(_ path: [String]) throws(SystemError) {
        let text = "/" + path.joined(separator: "/")
        do throws(SystemError) {
            let fd = try RootedPath.open(
                root: root, text, O_RDONLY | O_DIRECTORY, followLinks: false)
            open = (path, try DirectoryReader(fd, text))
        } catch {
            if error.isShortage { throw error }
            // The start may be missing, which is nothing.
            if error.errno != ENOENT || path.count > 1 { problems.append("\(error)") }
        }
    }

    private func look(
        at entry: DirectoryReader.Entry, in path: [String], _ directory: Int32
    ) -> Entry? {
        guard let name = entry.text else {
            problems.append(
                "\((path + [entry.repaired]).joined(separator: "/")): its name is not UTF-8")
            return nil
        }
        let path = path + [name]
        let text = path.joined(separator: "/")
        var status = stat()
        guard fstatat(directory, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            problems.append("\(SystemError.last("stat", text))")
            return nil
        }
        var target: String?
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR where path.count > limits.depth:
            problems.append("\(text): is too deep")
            return nil
        case S_IFDIR: waiting.append(path)
        case S_IFLNK:
            target = Self.target(entry.name, in: directory)
            guard target != nil else {
                problems.append("\(text): where it leads cannot be read")
                return nil
            }
        default:
            problems.append("\(text): is neither file, directory nor link")
            return nil
        }
        count += 1
        guard count <= limits.files else {
            if count == limits.files + 1 {
                problems.append(
                    "\(text): there are more than \(limits.files) files; the rest is left")
            }
            (waiting, open) = ([], nil)
            return nil
        }
        return Entry(path: path, status: status, target: target)
    }

    private static func target(_ name: [CChar], in directory: Int32) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes {
            $0.withMemoryRebound(to: CChar.self) { bytes in
                bytes.baseAddress.map { readlinkat(directory, name, $0, bytes.count) } ?? -1
            }
        }
        guard count > 0, count < buffer.count else { return nil }
        return String(validating: buffer[..<count], as: UTF8.self)
    }
}
