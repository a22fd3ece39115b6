internal import Glibc
internal import LinuxSystem

/// Programs of former versions, and what broken installations left.
extension AgentBundle {
    /// So many versions stay though nobody runs them: two heads of different versions take turns.
    private static let versionsKept = 2
    /// Seconds after which an installation that has not come to its end never will.
    private static let leftoverAge = 24 * 3600

    /// Nothing here fails: what cannot be removed stays.
    static func sweep(_ agents: String, keeping hash: String) {
        let inUse = directoriesInUse()
        var versions: [(name: String, modified: Int)] = []
        for name in (try? Files.names(in: agents)) ?? [] {
            var status = stat()
            guard lstat("\(agents)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR
            else { continue }
            if name.hasPrefix(".") {
                let age = Clock.now() / 1000 - Int64(status.st_mtim.tv_sec)
                if age > leftoverAge { remove("\(agents)/\(name)") }
            } else if isHash(name) {
                versions.append((name, Int(status.st_mtim.tv_sec)))
            }
        }
        let newest = versions.sorted { ($0.modified, $0.name) > ($1.modified, $1.name) }
            .prefix(versionsKept).map(\.name)
        for (name, _) in versions where name != hash && !newest.contains(name) {
            guard let real = realPath("\(agents)/\(name)"), !inUse.contains(real) else { continue }
            remove(real)
        }
    }

    /// Directories of the executables of all processes that this user may look at: its own.
    private static func directoriesInUse() -> Set<String> {
        var result: Set<String> = []
        for pid in (try? Files.directoryNames(in: "/proc")) ?? [] where Int32(pid) != nil {
            if let path = realPath("/proc/\(pid)/exe") {
                result.insert(RootedPath.split(path).parent)
            }
        }
        return result
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// A directory of files, and itself.
    static func remove(_ directory: String) {
        for name in (try? Files.names(in: directory)) ?? [] {
            if unlink("\(directory)/\(name)") != 0 { remove("\(directory)/\(name)") }
        }
        rmdir(directory)
    }
}
