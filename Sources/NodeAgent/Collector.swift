internal import Glibc
internal import LinuxSystem

/// Brings files back that match the spec's `collect` patterns, out of a container's writable layer into its results.
///
/// The layer is the task's own work: every step goes by descriptor, links are neither followed nor copied, and only
/// regular files are read.
struct Collector {
    /// Patterns, relative to the working directory; `*` and `?` within a component, fnmatch(3).
    let patterns: [[String]]
    let workingDirectory: String
    let destination: String

    init(patterns: [String], workingDirectory: String, destination: String) {
        self.patterns = patterns.map {
            $0.split(separator: "/").map(String.init).filter { $0 != "." && $0 != ".." }
        }
        self.workingDirectory = workingDirectory
        self.destination = destination
    }

    /// Throws on the first file that cannot be copied; a pattern that matches nothing is no error.
    func collect(from upper: Int32) throws(SystemError) {
        // No such directory in the layer: the task wrote nothing there.
        guard
            let start = try? RootedPath.open(
                root: upper, workingDirectory, O_RDONLY | O_DIRECTORY, followLinks: false)
        else { return }
        for pattern in patterns where !pattern.isEmpty { try walk(start.raw, pattern[...], at: []) }
    }

    private func walk(_ directory: Int32, _ pattern: ArraySlice<String>, at path: [String])
        throws(SystemError)
    {
        guard let component = pattern.first else { return }
        for name in try Self.names(in: directory) where fnmatch(component, name, FNM_PERIOD) == 0 {
            var status = stat()
            guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG where pattern.count == 1:
                try copy(directory, name, to: path + [name])
            case S_IFDIR:
                let inner = try OwnedFD.openAt(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                // A directory that matches to the end comes with all that is in it.
                try walk(
                    inner.raw, pattern.count == 1 ? ["*"] : pattern.dropFirst(), at: path + [name])
            default: continue
            }
        }
    }

    private func copy(_ directory: Int32, _ name: String, to path: [String]) throws(SystemError) {
        let source = try OwnedFD.openAt(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        let root = try OwnedFD.open(destination, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let parent = try RootedPath.makeDirectories(
            root: root.raw, "/" + path.dropLast().joined(separator: "/"))
        let temporary = ".\(name).collecting"
        let target = try OwnedFD.openAt(
            parent.raw, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try checkErrno(read(source.raw, &buffer, buffer.count), "read", name)
            if count == 0 { break }
            try Files.writeAll(
                target.raw, buffer[..<count], destination + "/" + path.joined(separator: "/"))
        }
        try checkErrno(renameat(parent.raw, temporary, parent.raw, name), "rename", name)
    }

    private static func names(in directory: Int32) throws(SystemError) -> [String] {
        try Files.names(in: "/proc/self/fd/\(directory)").sorted()
    }
}
