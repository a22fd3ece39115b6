internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: What of a bundle's container is hidden or read-only

extension ContainerChild {
    /// PROC_SUPER_MAGIC of linux/magic.h.
    private static let procMagic: Int64 = 0x9fa0

    /// Nil where there is no such path: config-linux.md asks for none to be made. A path below /proc must lead to the
    /// kernel's /proc: an image that brings its own would keep the real one open (CVE-2023-27561).
    private func existing(_ path: String, field: String) throws(SystemError) -> OwnedFD? {
        let found: OwnedFD
        do throws(SystemError) {
            found = try RootedPath.open(root: root, path, RootedPath.openPath)
        } catch {
            if error.errno == ENOENT || error.errno == ENOTDIR { return nil }
            throw SystemError(field, path, errno: error.errno)
        }
        if proc >= 0, path.hasPrefix("/proc/"),
            try check(cl_filesystem_type_of(found.raw), field, path) != Self.procMagic
        {
            throw SystemError(
                field, path, errno: EXDEV, hint: "it does not lie in the kernel's /proc")
        }
        return found
    }

    func makeReadOnlyPath(_ path: String) throws(SystemError) {
        let field = "linux.readonlyPaths"
        guard let place = try existing(path, field: field) else { return }
        let tree = try OwnedFD(
            checking: cl_open_tree(place.raw, "", openTreeClone | atEmptyPath | atRecursive),
            field, path)
        // Flags that a user namespace may not clear stay as they are: only this one is set.
        try check(
            cl_mount_setattr(tree.raw, "", atEmptyPath | atRecursive, attrReadOnly, 0, 0), field,
            path)
        try hang(tree, on: place, field: field)
    }

    /// With nothing: /dev/null on a file, an empty directory on a directory. The first of each is made, and stays held where
    /// it hangs: before Linux 6.15 open_tree(2) copies no mount that hangs nowhere.
    mutating func maskPath(_ path: String) throws(SystemError) {
        let field = "linux.maskedPaths"
        guard let place = try existing(path, field: field) else { return }
        var status = stat()
        try checkErrno(fstat(place.raw, &status), field, path)
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        let held = isDirectory ? empty : devNull
        guard held < 0 else {
            let copy = try OwnedFD(
                checking: cl_open_tree(held, "", openTreeClone | atEmptyPath), field, path)
            return try hang(copy, on: place, field: field)
        }
        let cover = try isDirectory ? Self.emptyDirectory() : Self.nullDevice()
        try hang(cover, on: place, field: field)
        if isDirectory { empty = cover.release() } else { devNull = cover.release() }
    }

    private static func emptyDirectory() throws(SystemError) -> OwnedFD {
        try newMount(
            "tmpfs", [("mode", "0755")],
            attributes: attrReadOnly | attrNoSuid | attrNoDev | attrNoExec)
    }

    /// The machine's, and nothing that merely has its name (CVE-2025-31133). Read-only, which leaves it writable as a device
    /// is, but not its mode and owner: the container's root may be the machine's.
    private static func nullDevice() throws(SystemError) -> OwnedFD {
        let null = try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, "/dev/null", openTreeClone), "open_tree", "/dev/null")
        guard try check(cl_character_device(null.raw), "check device", "/dev/null") == 1 << 32 | 3
        else { throw SystemError("check device", "/dev/null", errno: ENODEV) }
        try check(
            cl_mount_setattr(
                null.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoExec, 0, 0),
            "mount_setattr", "/dev/null")
        return null
    }

    func seal(_ path: String) throws(SystemError) {
        let place = try RootedPath.open(root: root, path, RootedPath.openPath, followLinks: false)
        try check(
            cl_mount_setattr(place.raw, "", atEmptyPath, attrReadOnly, 0, 0), "mount_setattr", path)
    }
}
