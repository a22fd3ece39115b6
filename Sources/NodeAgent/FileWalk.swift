internal import Glibc
internal import LinuxSystem

/// Finds regular files below a directory by patterns: `*`, `?` and `[…]` within a component (fnmatch(3)), `**` for any number of
/// directories. A directory that matches comes with all that is in it. Every directory is read once, whatever the number of
/// patterns, and a slice at a time.
final class FileWalk {
    /// What one attempt may bring back; more is a pattern gone wrong.
    static let mostFiles = 100_000
    /// A tree that is deeper was made to be so.
    static let deepest = 100
    /// Entries in one step: about a millisecond.
    static let slice = 500

    private typealias Pattern = ArraySlice<String>
    private struct Directory {
        let path: [String]
        /// What its entries are held against.
        let patterns: [Pattern]
    }

    private let root: Int32
    /// What lies hidden under a mount, with what is to be said of it.
    private let covered: [[String]: String?]
    private var waiting: [Directory]
    private var open: (Directory, DirectoryReader)?
    /// Paths by their components, each once.
    private(set) var found: [[String]] = []
    /// What could not be looked at since the last call, and why.
    private var problems: [String] = []

    /// The descriptor stays the caller's.
    init(_ patterns: [String], in root: Int32, covered: [[String]: String?] = [:]) {
        self.root = root
        self.covered = covered
        let split = patterns.map {
            $0.split(separator: "/").map(String.init).filter { $0 != "." && $0 != ".." }[...]
        }.filter { !$0.isEmpty }
        waiting = split.isEmpty ? [] : [Directory(path: [], patterns: Self.closure(of: split))]
    }

    func takeProblems() -> [String] {
        defer { problems = [] }
        return problems
    }

    /// Looks at some more entries; true when all has been seen. Throws EFBIG where there are too many files, and where
    /// descriptors are short: then the same is tried again by the next call.
    func step() throws(SystemError) -> Bool {
        for _ in 0..<Self.slice {
            if open == nil, try !openNext() { return true }
            guard let (directory, reader) = open else { continue }
            guard let entry = reader.next() else {
                open = nil
                continue
            }
            try look(at: entry, in: directory, reader.raw)
        }
        return false
    }

    /// False where no directory waits.
    private func openNext() throws(SystemError) -> Bool {
        guard let next = waiting.last else { return false }
        let path = "/" + next.path.joined(separator: "/")
        do throws(SystemError) {
            let fd = try RootedPath.open(
                root: root, path, O_RDONLY | O_DIRECTORY, followLinks: false)
            open = (next, try DirectoryReader(fd, path))
        } catch {
            if error.isShortage { throw error }
            problems.append("\(error)")
        }
        waiting.removeLast()
        return true
    }

    private func look(
        at entry: DirectoryReader.Entry, in directory: Directory, _ descriptor: Int32
    ) throws(SystemError) {
        var inner: [Pattern] = []
        var isFound = false
        for pattern in directory.patterns where Self.matches(pattern, entry) {
            let isLast = pattern.count == 1
            isFound = isFound || isLast
            inner.append(
                pattern.first == "**" ? pattern : isLast ? ["**"] : pattern.dropFirst())
        }
        guard !inner.isEmpty else { return }
        let kind = Self.kind(of: entry, in: descriptor)
        guard kind == S_IFDIR || kind == S_IFREG && isFound else { return }
        guard let name = entry.text else {
            problems.append("\(entry.repaired) has a name that is not UTF-8")
            return
        }
        let path = directory.path + [name]
        if let hint = covered[path] {
            if let hint { problems.append(hint) }
        } else if kind == S_IFREG {
            guard found.count < Self.mostFiles else {
                throw SystemError(
                    "collect", path.joined(separator: "/"), errno: EFBIG,
                    hint: "the patterns match more than \(Self.mostFiles) files")
            }
            found.append(path)
        } else if path.count < Self.deepest {
            waiting.append(Directory(path: path, patterns: Self.closure(of: inner)))
        } else {
            problems.append("\(path.joined(separator: "/")) is too deep")
        }
    }

    private static func matches(_ pattern: Pattern, _ entry: DirectoryReader.Entry) -> Bool {
        guard let component = pattern.first else { return false }
        return component == "**" || fnmatch(component, entry.name, FNM_PERIOD) == 0
    }

    /// `**` also stands for no directory at all.
    private static func closure(of patterns: [Pattern]) -> [Pattern] {
        var closure: [Pattern] = []
        for var pattern in patterns {
            while !closure.contains(pattern) {
                closure.append(pattern)
                guard pattern.first == "**", pattern.count > 1 else { break }
                pattern = pattern.dropFirst()
            }
        }
        return closure
    }

    private static func kind(of entry: DirectoryReader.Entry, in directory: Int32) -> mode_t {
        switch Int(entry.type) {
        case Int(DT_REG): return S_IFREG
        case Int(DT_DIR): return S_IFDIR
        case Int(DT_UNKNOWN):
            var status = stat()
            guard fstatat(directory, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                return 0
            }
            return status.st_mode & S_IFMT
        default: return 0
        }
    }
}
