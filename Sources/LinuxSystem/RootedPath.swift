internal import CLinux
internal import Glibc

/// Paths inside a root that somebody else made: resolved by the kernel beneath a directory descriptor, so that no link,
/// `..` or race leads out of it. openat2(2): RESOLVE_IN_ROOT treats the directory as `/`, NO_MAGICLINKS refuses /proc's links.
public enum RootedPath {
    /// O_PATH, which glibc shows only to _GNU_SOURCE.
    public static let openPath: Int32 = 0o10000000
    static let resolveNoMagicLinks: UInt64 = 0x02
    static let resolveNoSymlinks: UInt64 = 0x04
    static let resolveBeneath: UInt64 = 0x08
    static let resolveInRoot: UInt64 = 0x10
    static let resolveNoXDev: UInt64 = 0x01

    /// Opens `path` with `root` as its `/`.
    /// The kernel answers EAGAIN where a rename elsewhere makes `..` unsafe to judge; it is asked again, a bounded number of times.
    public static func open(
        root: Int32, _ path: String, _ flags: Int32, mode: UInt32 = 0, followLinks: Bool = true
    ) throws(SystemError) -> OwnedFD {
        let resolve = resolveInRoot | resolveNoMagicLinks | (followLinks ? 0 : resolveNoSymlinks)
        var result: Int32 = 0
        for _ in 0..<128 {
            result = cl_openat2(
                root, path, UInt64(UInt32(bitPattern: flags)), UInt64(mode), resolve)
            if result != -EAGAIN { break }
        }
        return try OwnedFD(checking: result, "open", path)
    }

    /// Opens what lies beneath `directory` in the same mount, by a path without links: for entries of the kernel's own files
    /// that must be themselves, and nothing that was mounted over them (CVE-2025-52881).
    public static func openBeneath(_ directory: Int32, _ path: String, _ flags: Int32)
        throws(SystemError) -> OwnedFD
    {
        let resolve = resolveBeneath | resolveNoXDev | resolveNoMagicLinks | resolveNoSymlinks
        return try OwnedFD(
            checking: cl_openat2(directory, path, UInt64(UInt32(bitPattern: flags)), 0, resolve),
            "open", path)
    }

    /// Opens the directory `path` in `root`, making what is missing of it, with mode 0755.
    public static func makeDirectories(root: Int32, _ path: String, mode: UInt32 = 0o755)
        throws(SystemError) -> OwnedFD
    {
        do throws(SystemError) {
            return try open(root: root, path, openPath | O_DIRECTORY)
        } catch {
            guard error.errno == ENOENT else { throw error }
            let (parent, name) = split(path)
            guard name != "", name != ".", name != ".." else { throw error }
            let directory = try makeDirectories(root: root, parent, mode: mode)
            if mkdirat(directory.raw, name, mode) < 0, Glibc.errno != EEXIST {
                throw SystemError.last("mkdir", path)
            }
            return try open(root: root, path, openPath | O_DIRECTORY)
        }
    }

    /// Opens the regular file `path` in `root` as a mount target, making it empty where it is missing.
    /// `replacingLink` puts it in the place of a symbolic link that leads nowhere, which is refused otherwise.
    public static func makeFile(root: Int32, _ path: String, replacingLink: Bool = false)
        throws(SystemError) -> OwnedFD
    {
        do throws(SystemError) {
            return try open(root: root, path, openPath)
        } catch {
            guard error.errno == ENOENT || (replacingLink && error.errno == ELOOP) else {
                throw error
            }
            let (parent, name) = split(path)
            let directory = try makeDirectories(root: root, parent)
            if replacingLink { unlinkat(directory.raw, name, 0) }
            // O_EXCL and O_NOFOLLOW: a link planted there is refused, never written through (CVE-2024-45310).
            _ = try OwnedFD.openAt(
                directory.raw, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, mode: 0o644)
            return try open(root: root, path, openPath)
        }
    }

    /// `/a/b/` → (`/a`, `b`); `/` → (`/`, ``). By bytes and without generic algorithms: every container's child does it, and
    /// would have the Swift runtime look their types up anew.
    public static func split(_ path: String) -> (parent: String, name: String) {
        let bytes = Array(path.utf8)
        let slash = UInt8(ascii: "/")
        var end = bytes.count
        while end > 0, bytes[end - 1] == slash { end -= 1 }
        var begin = end
        while begin > 0, bytes[begin - 1] != slash { begin -= 1 }
        var parent = begin
        while parent > 0, bytes[parent - 1] == slash { parent -= 1 }
        return (
            parent == 0 ? "/" : String(decoding: bytes[..<parent], as: UTF8.self),
            String(decoding: bytes[begin..<end], as: UTF8.self)
        )
    }
}
