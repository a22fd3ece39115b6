internal import CLinux
internal import Glibc

/// Whole files, small ones: read, written so that they are there completely or not at all.
public enum Files {
    /// Reads at most `limit` bytes; a longer file throws EFBIG. Works for /proc and /sys, whose sizes read 0.
    public static func read(_ path: String, limit: Int = 1 << 20) throws(SystemError) -> [UInt8] {
        let file = try OwnedFD.open(path, O_RDONLY)
        return try read(file.raw, path, limit: limit)
    }

    public static func read(_ fd: Int32, _ name: String, limit: Int = 1 << 20) throws(SystemError)
        -> [UInt8]
    {
        var bytes: [UInt8] = []
        while true {
            var count = 0
            let room = min(limit + 1, max(4096, bytes.count))
            let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
                count = Glibc.read(fd, buffer.baseAddress, buffer.count)
                filled = max(count, 0)
            }
            if count < 0, errno == EINTR { continue }
            try checkErrno(count, "read", name)
            if count == 0 { return bytes }
            bytes += chunk
            guard bytes.count <= limit else { throw SystemError("read", name, errno: EFBIG) }
        }
    }

    public static func text(_ path: String, limit: Int = 1 << 20) throws(SystemError) -> String {
        String(decoding: try read(path, limit: limit), as: UTF8.self)
    }

    /// All of the bytes, through short writes and interruptions.
    public static func writeAll(_ fd: Int32, _ bytes: some Collection<UInt8>, _ name: String)
        throws(SystemError)
    {
        let array = Array(bytes)
        var offset = 0
        while offset < array.count {
            let count = array.withUnsafeBytes {
                Glibc.write(fd, $0.baseAddress.map { $0 + offset }, $0.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            offset += try checkErrno(count, "write", name)
        }
    }

    /// Written beside its place, flushed, renamed: a reader sees the old file or the new one. `durable` also flushes the directory.
    public static func writeAtomically(
        _ path: String, _ bytes: some Collection<UInt8>, mode: UInt32 = 0o644, durable: Bool = true
    ) throws(SystemError) {
        // Unique within the process too: two threads may write the same file.
        let temporary =
            path + ".new-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        do throws(SystemError) {
            let file = try OwnedFD.open(
                temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
            try writeAll(file.raw, bytes, path)
            if durable { try checkErrno(fsync(file.raw), "fsync", path) }
            try checkErrno(rename(temporary, path), "rename", path)
        } catch {
            unlink(temporary)
            throw error
        }
        guard durable else { return }
        let parent = try OwnedFD.open(RootedPath.split(path).parent, O_RDONLY | O_DIRECTORY)
        try checkErrno(fsync(parent.raw), "fsync", path)
    }

    /// All that was written to the file system that holds `fd`, to disk: syncfs(2).
    public static func flushFileSystem(_ fd: Int32) throws(SystemError) {
        try check(cl_syncfs(fd), "syncfs")
    }

    /// mkdir -p.
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o755) throws(SystemError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, path != "/" else { throw SystemError.last("mkdir", path) }
        try makeDirectories(RootedPath.split(path).parent, mode: mode)
        if mkdir(path, mode) < 0, errno != EEXIST { throw SystemError.last("mkdir", path) }
    }

    /// A directory for sockets: only its owner may enter, and it is this user's own, whoever made it.
    public static func makePrivateDirectory(_ path: String) throws(SystemError) {
        try makeDirectories(path, mode: 0o700)
        let directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        try checkErrno(fstat(directory.raw, &status), "stat", path)
        guard status.st_uid == geteuid() else {
            throw SystemError(
                "use", path, errno: EPERM,
                hint:
                    "it belongs to uid \(status.st_uid); set MARTLET_HOME to a directory of your own"
            )
        }
        if status.st_mode & 0o077 != 0 {
            try checkErrno(fchmod(directory.raw, 0o700), "chmod", path)
        }
    }

    /// Magic number of the file system that holds `path`, statfs(2).
    public static func fileSystemType(_ path: String) throws(SystemError) -> Int64 {
        try check(cl_filesystem_type(path), "statfs", path)
    }

    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Names in a directory, without `.` and `..`, in no order.
    public static func names(in path: String) throws(SystemError) -> [String] {
        try entries(in: path).map(\.name)
    }

    /// Those of them that are directories, where the file system says so as it lists: cgroups, /proc, ext4.
    public static func directoryNames(in path: String) throws(SystemError) -> [String] {
        try entries(in: path).filter { $0.kind == UInt8(DT_DIR) }.map(\.name)
    }

    /// Names in the directory at a descriptor, which is left as it is.
    public static func names(in directory: Int32) throws(SystemError) -> [String] {
        let again = try OwnedFD.openAt(directory, ".", O_RDONLY | O_DIRECTORY).release()
        guard let stream = fdopendir(again) else {
            let error = SystemError.last("fdopendir")
            close(again)
            throw error
        }
        return entries(of: stream).map(\.name)
    }

    private typealias Entry = (name: String, kind: UInt8)

    private static func entries(in path: String) throws(SystemError) -> [Entry] {
        guard let stream = opendir(path) else { throw SystemError.last("opendir", path) }
        return entries(of: stream)
    }

    /// Takes the stream.
    private static func entries(of stream: OpaquePointer) -> [Entry] {
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { entries.append((name, entry.pointee.d_type)) }
        }
        return entries
    }
}

/// A lock that ends with its process: flock(2) on a file that stays.
public struct FileLock: ~Copyable, Sendable {
    private let file: OwnedFD

    /// Takes the lock at once, or returns nil where another process holds it.
    public static func attempt(_ path: String) throws(SystemError) -> FileLock? {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        if flock(file.raw, LOCK_EX | LOCK_NB) == 0 { return FileLock(file: file) }
        guard errno == EWOULDBLOCK else { throw SystemError.last("flock", path) }
        return nil
    }

    /// Waits for the lock.
    public static func wait(_ path: String) throws(SystemError) -> FileLock {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        while flock(file.raw, LOCK_EX) < 0 {
            guard errno == EINTR else { throw SystemError.last("flock", path) }
        }
        return FileLock(file: file)
    }

    private init(file: consuming OwnedFD) { self.file = file }

    /// Replaces what the lock file says: the holder's pid, for people.
    public func write(_ text: String) throws(SystemError) {
        try checkErrno(ftruncate(file.raw, 0), "truncate")
        try Files.writeAll(file.raw, text.utf8, "lock file")
    }
}
