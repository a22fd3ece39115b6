internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: Devices of a bundle's container

extension ContainerChild {
    /// A node of the image's own at that place is replaced: what it would be is the image's choice, and the container's
    /// is the bundle's (config-linux.md, "Devices").
    mutating func makeDevice(_ node: DeviceNode) throws(SystemError) {
        let (parent, name) = RootedPath.split(node.path)
        let directory = try directory(parent, of: node)
        if let slot = node.slot { return try bindDevice(node, slot) }
        unlinkat(directory.raw, name, 0)
        // The mode is right from the start: a chmod would follow a link that somebody else puts there meanwhile.
        let mask = umask(0)
        let made = cl_mknodat(
            directory.raw, name, node.mode, UInt32(node.major), UInt32(node.minor))
        umask(mask)
        try check(made, node.field, node.path)
        // Made by the container's root.
        guard node.uid != 0 || node.gid != 0 else { return }
        let file = try OwnedFD.openAt(directory.raw, name, RootedPath.openPath | O_NOFOLLOW)
        try Self.require(file.raw, toBe: node, "somebody has replaced it")
        try checkErrno(
            fchownat(file.raw, "", node.uid, node.gid, Int32(atEmptyPath)), node.field, node.path)
    }

    private func directory(_ path: String, of node: DeviceNode) throws(SystemError) -> OwnedFD {
        do throws(SystemError) {
            return try RootedPath.makeDirectories(root: root, path)
        } catch {
            throw SystemError(node.field, node.path, errno: error.errno, hint: error.hint)
        }
    }

    /// Only what was opened is bound, and only if it is that device (CVE-2025-31133).
    private mutating func bindDevice(_ node: DeviceNode, _ slot: Int) throws(SystemError) {
        guard let raw = taken.removeValue(forKey: slot) else { return }
        let tree = OwnedFD(raw)
        try Self.require(
            tree.raw, toBe: node, "the machine's node of that name is another device")
        // Read-only leaves a device writable, but not its mode and owner, which are the machine's.
        try check(
            cl_mount_setattr(
                tree.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoExec, 0, 0),
            node.field, node.path)
        let target = try RootedPath.makeFile(root: root, node.path)
        try hang(tree, on: target, field: node.field)
    }

    private static func require(_ fd: Int32, toBe node: DeviceNode, _ hint: String)
        throws(SystemError)
    {
        var status = stat()
        try checkErrno(fstat(fd, &status), node.field, node.path)
        let wanted = makedev(UInt32(node.major), UInt32(node.minor))
        guard status.st_mode & S_IFMT == node.mode & S_IFMT,
            node.mode & S_IFMT == S_IFIFO || status.st_rdev == wanted
        else { throw SystemError(node.field, node.path, errno: ENODEV, hint: hint) }
    }

    /// A stream that a caller has put on the machine's /dev/null moves to the container's own: by the machine's, its root
    /// could give that node another mode.
    func ownNull() {
        // mem(4), as makedev in cl_character_device has it.
        let null: Int64 = 1 << 32 | 3
        for stream in [Int32](0...2) where cl_character_device(stream) == null {
            // A container without one keeps what it was given.
            guard
                let own = try? RootedPath.open(
                    root: root, "/dev/null", O_RDWR | O_NONBLOCK | O_NOCTTY, followLinks: false),
                cl_character_device(own.raw) == null
            else { return }
            dup2(own.raw, stream)
        }
    }

    func makeDeviceLinks() throws(SystemError) {
        // Without /dev there is nowhere to make them, and nobody who asked.
        guard
            let dev = try? RootedPath.open(
                root: root, "/dev", RootedPath.openPath | O_DIRECTORY, followLinks: false)
        else { return }
        for (name, target) in [
            ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] where symlinkat(target, dev.raw, name) < 0 && errno != EEXIST {
            // A read-only image has what it has.
            guard errno == EROFS else { throw SystemError.last("symlink", "/dev/" + name) }
        }
        guard faccessat(dev.raw, "pts/ptmx", F_OK, 0) == 0 else { return }
        // An image's own ptmx would open the machine's terminals.
        unlinkat(dev.raw, "ptmx", 0)
        if symlinkat("pts/ptmx", dev.raw, "ptmx") < 0, errno != EEXIST, errno != EROFS {
            throw SystemError.last("symlink", "/dev/ptmx")
        }
    }
}

/// makedev(3), a macro.
private func makedev(_ major: UInt32, _ minor: UInt32) -> UInt {
    let (major, minor) = (UInt(major), UInt(minor))
    return (major & 0xfff) << 8 | (major & ~0xfff) << 32 | minor & 0xff | (minor & ~0xff) << 12
}
