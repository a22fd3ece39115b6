internal import Glibc
internal import LinuxSystem

/// The head's copy of one attempt's directory on a node. The node names what is written here and is not trusted with that: every path
/// goes by descriptor, over no link, and stays in the attempt's directory.
final class AttemptMirror {
    private let root: OwnedFD

    /// Makes the directory where it is missing.
    init(_ path: String) throws(SystemError) {
        try Files.makeDirectories(path)
        root = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    }

    /// The path's parts; nil where a node has no business to write there.
    static func parts(of path: String) -> [String]? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isPlain = parts.allSatisfy { part in
            !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255
                && !part.utf8.contains(0)
        }
        guard isPlain, parts.count <= 102, path.utf8.count < 4096 else { return nil }
        if parts == ["stdout"] || parts == ["stderr"] { return parts }
        // The checkpoint as this attempt left it, for the next one.
        return ["results", "checkpoint"].contains(parts.first) && parts.count > 1 ? parts : nil
    }

    /// Outputs that nobody wrote to exist all the same.
    func makeOutputs() throws(SystemError) {
        for name in ["stdout", "stderr"] { _ = try openInPlace([name]) }
        try makeDirectory(["results"])
    }

    func makeDirectory(_ parts: [String]) throws(SystemError) { _ = try directory(parts[...]) }

    /// A file under its name, for reading and writing, made where it is missing.
    func openInPlace(_ parts: [String]) throws(SystemError) -> OwnedFD {
        let parent = try directory(parts.dropLast())
        let file = try OwnedFD.openAt(
            parent.raw, parts.last ?? "", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK)
        try Self.checkRegular(file.raw, parts)
        return file
    }

    /// A file that gets its name when it is whole. What an earlier try had of it is still there.
    func openIncoming(_ number: Int) throws(SystemError) -> OwnedFD {
        let name = Self.incoming(number)
        let file = try OwnedFD.openAt(
            root.raw, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
        try Self.checkRegular(file.raw, [name])
        return file
    }

    /// Something has its name already.
    func has(_ parts: [String]) -> Bool {
        guard
            let parent = try? RootedPath.open(
                root: root.raw, "/" + parts.dropLast().joined(separator: "/"),
                RootedPath.openPath | O_DIRECTORY, followLinks: false)
        else { return false }
        return faccessat(parent.raw, parts.last ?? "", F_OK, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// Neither it nor a part of it is here.
    func hasNothing(of number: Int, _ parts: [String]) -> Bool {
        faccessat(root.raw, Self.incoming(number), F_OK, 0) != 0 && !has(parts)
    }

    func removeIncoming(_ number: Int) { unlinkat(root.raw, Self.incoming(number), 0) }

    /// Gives it its name, whatever had that before.
    func place(_ number: Int, _ file: Int32, as parts: [String], mode: UInt32) throws(SystemError) {
        // Its owner's to read, and nobody's to run as another.
        try checkErrno(fchmod(file, 0o600 | mode & 0o155), "chmod", parts.joined(separator: "/"))
        let parent = try directory(parts.dropLast())
        let name = parts.last ?? ""
        if renameat(root.raw, Self.incoming(number), parent.raw, name) == 0 { return }
        throw SystemError.last("rename", parts.joined(separator: "/"))
    }

    /// Last of all, so that nothing is written through it.
    func makeLink(_ parts: [String], to target: String) throws(SystemError) {
        let parent = try directory(parts.dropLast())
        let name = parts.last ?? ""
        unlinkat(parent.raw, name, 0)
        try checkErrno(
            symlinkat(target, parent.raw, name), "link", parts.joined(separator: "/"))
    }

    /// For people and scripts: what the node has as well.
    func write(_ name: String, _ bytes: [UInt8]) throws(SystemError) {
        let new = ".\(name).new"
        unlinkat(root.raw, new, 0)
        let file = try OwnedFD.openAt(root.raw, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        try Files.writeAll(file.raw, bytes, name)
        try checkErrno(renameat(root.raw, new, root.raw, name), "rename", name)
    }

    /// To disk, with all else on this file system.
    func flush() throws(SystemError) { try Files.flushFileSystem(root.raw) }

    private static func incoming(_ number: Int) -> String { ".incoming-\(number)" }

    private static func checkRegular(_ file: Int32, _ parts: [String]) throws(SystemError) {
        var status = stat()
        try checkErrno(fstat(file, &status), "stat", parts.joined(separator: "/"))
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("write", parts.joined(separator: "/"), errno: EEXIST)
        }
    }

    private func directory(_ parts: ArraySlice<String>) throws(SystemError) -> OwnedFD {
        if parts.isEmpty { return try root.duplicate() }
        let path = "/" + parts.joined(separator: "/")
        do throws(SystemError) {
            return try RootedPath.open(
                root: root.raw, path, O_RDONLY | O_DIRECTORY, followLinks: false)
        } catch {
            guard error.errno == ENOENT, let name = parts.last else { throw error }
            let parent = try directory(parts.dropLast())
            if mkdirat(parent.raw, name, 0o755) < 0, errno != EEXIST {
                throw SystemError.last("mkdir", path)
            }
            return try OwnedFD.openAt(parent.raw, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
    }
}
