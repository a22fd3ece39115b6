internal import Glibc
internal import LinuxSystem

/// One regular file on its way into a directory of results; holes stay holes, and it has its name only when it is whole.
final class FileCopy {
    /// Bytes in one step: a few milliseconds.
    static let slice = 8 << 20
    /// SEEK_DATA and SEEK_HOLE of lseek(2), which glibc shows only to _GNU_SOURCE.
    private static let (seekData, seekHole): (Int32, Int32) = (3, 4)

    private let source: OwnedFD
    private let parent: OwnedFD
    private let target: OwnedFD
    private let name: String
    private let temporary: String
    private let size: Int
    private var offset = 0

    /// Opens `path` below `root` without following a link, and makes its directories below `results`.
    init(from root: Int32, _ path: [String], to results: String) throws(SystemError) {
        name = path.last ?? ""
        temporary = ".\(name.prefix(200)).collecting"
        source = try RootedPath.open(
            root: root, "/" + path.joined(separator: "/"), O_RDONLY | O_NONBLOCK | O_NOCTTY,
            followLinks: false)
        var status = stat()
        try checkErrno(fstat(source.raw, &status), "stat", name)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("collect", name, errno: EINVAL, hint: "it is no regular file")
        }
        size = Int(status.st_size)
        let directory = try OwnedFD.open(results, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        parent = try RootedPath.makeDirectories(
            root: directory.raw, "/" + path.dropLast().joined(separator: "/"))
        // Made anew: what the task may have put there under this name is not written through.
        unlinkat(parent.raw, temporary, 0)
        target = try OwnedFD.openAt(
            parent.raw, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
            mode: 0o600 | status.st_mode & 0o155)
    }

    /// Copies a slice; true when the file stands under its name.
    func step() throws(SystemError) -> Bool {
        var left = Self.slice
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while left > 0, let (from, to) = nextData() {
            offset = from
            while offset < to, left > 0 {
                let count = try checkErrno(
                    pread(source.raw, &buffer, min(buffer.count, to - offset), off_t(offset)),
                    "read", name)
                // It has become shorter meanwhile.
                guard count > 0 else { return try finish() }
                try write(buffer[..<count])
                offset += count
                left -= count
            }
        }
        return left > 0 ? try finish() : false
    }

    /// The next run of bytes that are there; nil behind the last one.
    private func nextData() -> (Int, Int)? {
        let from = lseek(source.raw, off_t(offset), Self.seekData)
        guard from >= 0, from < size else { return nil }
        let to = lseek(source.raw, from, Self.seekHole)
        return (Int(from), to > from ? min(Int(to), size) : size)
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws(SystemError) {
        try checkErrno(lseek(target.raw, off_t(offset), SEEK_SET), "seek", name)
        try Files.writeAll(target.raw, bytes, name)
    }

    private func finish() throws(SystemError) -> Bool {
        try checkErrno(ftruncate(target.raw, off_t(size)), "truncate", name)
        try checkErrno(renameat(parent.raw, temporary, parent.raw, name), "rename", name)
        return true
    }
}
