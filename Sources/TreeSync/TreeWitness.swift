internal import CLinux
internal import Glibc
public import LinuxSystem

/// By what a machine tells whether it sees the very directory, or file, that another one does.
public struct TreeWitness: Sendable, Hashable, Codable {
    public var path: String
    /// Of the kernel: where it is the same, so is a device's number.
    public var boot: String
    public var device: UInt64
    public var inode: UInt64
    /// statfs(2).
    public var fileSystem: Int64
    /// Nanoseconds of its status change, and of its last writing.
    public var changed: Int64
    public var modified: Int64

    /// As this machine sees it. May wait for ever, where a file server has gone.
    public init(_ path: String) throws(SystemError) {
        let file = try OwnedFD.open(path, O_RDONLY | O_NONBLOCK)
        var status = stat()
        try checkErrno(fstat(file.raw, &status), "stat", path)
        self.path = path
        // Where /proc is hidden nothing is the same.
        boot = (try? Files.text("/proc/sys/kernel/random/boot_id")) ?? ""
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        fileSystem = try check(cl_filesystem_type_of(file.raw), "statfs", path)
        changed = Self.nanoseconds(status.st_ctim)
        modified = Self.nanoseconds(status.st_mtim)
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// File systems that machines share, and that give a file the same number on all of them (linux/magic.h, Lustre, GPFS, BeeGFS).
    /// FUSE is none: its numbers may be anybody's.
    private static let shared: Set<Int64> = [
        0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0bd0_0bd0, 0x00c3_6400, 0x4750_4653, 0x1983_0326,
        0x5346_414f,
    ]

    /// Whether both saw one and the same: on one kernel by device and number; over a file system that is shared by number and both
    /// times, which no other one has by chance.
    public func isSame(as other: TreeWitness) -> Bool {
        guard path == other.path, inode == other.inode, fileSystem == other.fileSystem else {
            return false
        }
        if !boot.isEmpty, boot == other.boot { return device == other.device }
        return Self.shared.contains(fileSystem) && changed == other.changed
            && modified == other.modified
    }
}
