internal import Glibc
internal import LinuxSystem

/// Finds regular files below a directory by patterns: `*`, `?` and `[…]` within a component (fnmatch(3)), `**` for any number of
/// directories. A directory that matches comes with all that is in it.
struct FileMatches {
    /// What one attempt may bring back; more is a pattern gone wrong.
    static let mostFiles = 100_000
    /// A tree that is deeper was made to be so.
    static let deepest = 100

    private let patterns: [[String]]

    init(_ patterns: [String]) {
        self.patterns = patterns.map {
            $0.split(separator: "/").map(String.init).filter { $0 != "." && $0 != ".." }
        }.filter { !$0.isEmpty }
    }

    /// Paths by their components, sorted, each once. Throws EFBIG where there are too many.
    func find(in directory: Int32) throws(SystemError) -> [[String]] {
        var found: Set<[String]> = []
        for pattern in patterns { try walk(directory, pattern[...], at: [], &found) }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func walk(
        _ directory: Int32, _ pattern: ArraySlice<String>, at path: [String],
        _ found: inout Set<[String]>
    ) throws(SystemError) {
        guard let component = pattern.first, path.count < Self.deepest else { return }
        let isLast = pattern.count == 1
        // `**` also stands for no directory at all.
        if component == "**", !isLast { try walk(directory, pattern.dropFirst(), at: path, &found) }
        for name in try Files.names(in: "/proc/self/fd/\(directory)") {
            guard component == "**" || fnmatch(component, name, FNM_PERIOD) == 0 else { continue }
            switch Self.kind(of: name, in: directory) {
            case S_IFREG where isLast:
                found.insert(path + [name])
                guard found.count <= Self.mostFiles else {
                    throw SystemError(
                        "collect", pattern.joined(separator: "/"), errno: EFBIG,
                        hint: "it matches more than \(Self.mostFiles) files")
                }
            case S_IFDIR:
                let inner = try OwnedFD.openAt(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                let rest = component == "**" ? pattern : isLast ? ["**"] : pattern.dropFirst()
                try walk(inner.raw, rest, at: path + [name], &found)
            default: continue
            }
        }
    }

    private static func kind(of name: String, in directory: Int32) -> mode_t {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return 0 }
        return status.st_mode & S_IFMT
    }
}
