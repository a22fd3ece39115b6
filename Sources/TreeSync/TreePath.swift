internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Paths in a tree that somebody else may change: bytes, resolved beneath an open directory, through no link.
enum TreePath {
    /// openat2(2): RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS.
    private static let resolve: UInt64 = 0x08 | 0x04 | 0x02

    /// With its NUL, for the C library.
    static func c(_ path: [UInt8]) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }

    static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    /// Waits for nobody: what was a file may be a pipe by now.
    static func open(_ path: [UInt8], in root: Int32, _ flags: Int32) throws(SystemError)
        -> OwnedFD
    {
        let flags = UInt64(UInt32(bitPattern: flags | O_CLOEXEC | O_NONBLOCK))
        return try OwnedFD(
            checking: cl_openat2(root, c(path), flags, 0, resolve), "open", text(path))
    }

    static func status(_ fd: Int32, _ path: @autoclosure () -> [UInt8]) throws(SystemError) -> stat
    {
        var status = stat()
        try checkErrno(fstat(fd, &status), "stat", text(path()))
        return status
    }

    static func link(_ name: [CChar], in directory: Int32) -> [UInt8]? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlinkat(directory, name, &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        return buffer[..<count].map { UInt8(bitPattern: $0) }
    }
}

/// By what a file is known to be as it was: a write changes its times, and who sets back the one changes the other.
struct FileStamp: Hashable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var modified: ModificationTime
    var changed: ModificationTime

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = ModificationTime(status.st_mtim)
        changed = ModificationTime(status.st_ctim)
    }

    init(
        device: UInt64, inode: UInt64, size: Int64, modified: ModificationTime,
        changed: ModificationTime
    ) {
        self.device = device
        self.inode = inode
        self.size = size
        self.modified = modified
        self.changed = changed
    }
}

extension ModificationTime {
    init(_ time: timespec) {
        self.init(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }

    var timespec: Glibc.timespec {
        Glibc.timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
    }
}
