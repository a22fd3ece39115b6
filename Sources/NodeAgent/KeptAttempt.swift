internal import Glibc
internal import LinuxSystem

/// The directories of an attempt whose files this node keeps: its own, and beside it the checkpoint of its task, which later attempts
/// have as well. Paths are those of `LeftFile`.
final class KeptAttempt {
    static let checkpoint = "checkpoint"

    private let attempt: OwnedFD
    private let task: OwnedFD

    /// - Parameter directory: the attempt's.
    init(_ directory: String) throws(SystemError) {
        attempt = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        task = try OwnedFD.open(
            RootedPath.split(directory).parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    }

    /// What holds it. Names come as the head told them, and lead out of neither.
    func root(of path: String) -> Int32 {
        path.split(separator: "/").first == Self.checkpoint[...] ? task.raw : attempt.raw
    }

    /// A regular file. The task may have made what leads to it, so no link is followed, and nothing waited for.
    func open(_ path: String) throws(SystemError) -> OwnedFD {
        // The directories stay open until the file is.
        defer { withExtendedLifetime(self) {} }
        let file = try RootedPath.open(
            root: root(of: path), "/" + path, O_RDONLY | O_NONBLOCK | O_NOCTTY, followLinks: false)
        var status = stat()
        try checkErrno(fstat(file.raw, &status), "stat", path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("read", path, errno: EINVAL, hint: "it is no regular file")
        }
        return file
    }

    static func read(_ file: Int32, _ count: Int, at offset: Int64, _ path: String)
        throws(SystemError) -> [UInt8]
    {
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            got = pread(file, buffer.baseAddress, count, off_t(offset))
            filled = max(got, 0)
        }
        try checkErrno(got, "read", path)
        return bytes
    }
}
