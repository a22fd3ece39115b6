internal import CLinux
internal import Glibc
public import LinuxSystem

/// Characters of a terminal's window.
public struct TerminalSize: Sendable, Hashable {
    public var rows: UInt16
    public var columns: UInt16

    public init(rows: UInt16 = 24, columns: UInt16 = 80) {
        self.rows = rows
        self.columns = columns
    }

    /// Sets it on either end of a terminal; the kernel tells those in front with SIGWINCH, ioctl_tty(2).
    public func apply(to fd: Int32) throws(SystemError) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        try check(cl_ioctl(fd, UInt(TIOCSWINSZ), &size), "ioctl(TIOCSWINSZ)")
    }
}

/// A terminal made from a container's own devpts, by descriptor alone: what a path such as /dev/pts/0 names is the container's
/// choice (CVE-2025-52565).
struct Console: ~Copyable {
    /// Kept by whoever shows the terminal.
    let near: OwnedFD
    /// The process's side.
    let far: OwnedFD

    // asm-generic/ioctls.h: macros with a size in them.
    private static let lock: UInt = 0x4004_5431
    private static let openPeer: UInt = 0x5441
    /// linux/magic.h, DEVPTS_SUPER_MAGIC.
    private static let devpts: Int64 = 0x1cd1
    /// linux/major.h: /dev/ptmx is 5:2, and UNIX98_PTY_SLAVE_MAJOR begins eight majors of terminals.
    private static let multiplexer: Int64 = 5 << 32 | 2
    private static let majors: Range<Int64> = 136..<144

    /// `root` is the container's root, with /dev/pts mounted in it.
    init(root: Int32) throws(SystemError) {
        let near = try Self.openMultiplexer(root)
        var unlocked: Int32 = 0
        try check(cl_ioctl(near.raw, Self.lock, &unlocked), "ioctl(TIOCSPTLCK)")
        // Its argument is a number and no pointer: the flags to open with.
        let flags = UnsafeMutableRawPointer(bitPattern: Int(O_RDWR | O_NOCTTY | O_CLOEXEC))
        let far = try OwnedFD(
            checking: cl_ioctl(near.raw, Self.openPeer, flags), "ioctl(TIOCGPTPEER)")
        guard Self.majors.contains(try Self.device(far.raw, "terminal") >> 32) else {
            throw SystemError("make terminal", "peer", errno: ENODEV, hint: "it is no terminal")
        }
        self.near = near
        self.far = far
    }

    private static func openMultiplexer(_ root: Int32) throws(SystemError) -> OwnedFD {
        let path = "/dev/pts/ptmx"
        let near: OwnedFD
        do throws(SystemError) {
            near = try RootedPath.open(root: root, path, O_RDWR | O_NOCTTY, followLinks: false)
        } catch {
            throw SystemError(
                "make terminal", path, errno: error.errno,
                hint: "a terminal is made from the devpts on the container's /dev/pts")
        }
        guard try device(near.raw, path) == multiplexer else {
            throw SystemError("make terminal", path, errno: ENODEV, hint: "it is no ptmx")
        }
        return near
    }

    /// Number of a character device that lies on a devpts.
    private static func device(_ fd: Int32, _ name: String) throws(SystemError) -> Int64 {
        guard try check(cl_filesystem_type_of(fd), "statfs", name) == devpts else {
            throw SystemError(
                "make terminal", name, errno: ENODEV, hint: "it does not lie on a devpts")
        }
        return try check(cl_character_device(fd), "stat", name)
    }

    /// Makes it the controlling terminal of this process, the leader of a new session, and its stdin, stdout and stderr.
    func takeOver() throws(SystemError) {
        try check(cl_ioctl(far.raw, UInt(TIOCSCTTY), nil), "ioctl(TIOCSCTTY)")
        for fd in Int32(0)...2 { try checkErrno(dup2(far.raw, fd), "dup2") }
    }

    /// Gives the far end to the user who will sit there, before this process becomes that user. Its group is that which devpts
    /// was mounted with, tty where the container has such a group: that is how write(1) reaches it.
    static func handOver(_ far: Int32, to uid: UInt32) throws(SystemError) {
        try checkErrno(fchown(far, uid, gid_t.max), "chown", "terminal")
        try checkErrno(fchmod(far, 0o620), "chmod", "terminal")
    }

    /// Mounts the far end on /dev/console of `root`, which is made where it is missing.
    func bind(root: Int32) throws(SystemError) {
        let tree = try OwnedFD(
            checking: cl_open_tree(far.raw, "", openTreeClone | atEmptyPath), "open_tree",
            "terminal")
        let target: OwnedFD
        do throws(SystemError) {
            target = try RootedPath.open(
                root: root, "/dev/console", RootedPath.openPath, followLinks: false)
        } catch {
            guard error.errno == ENOENT else { throw error }
            target = try RootedPath.makeFile(root: root, "/dev/console")
        }
        try check(
            cl_move_mount(tree.raw, "", target.raw, "", moveFromEmptyPath | moveToEmptyPath),
            "move_mount", "/dev/console")
    }
}
