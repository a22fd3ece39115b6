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

    /// With nothing: /dev/null on a file, an empty directory on a directory.
    mutating func maskPath(_ path: String) throws(SystemError) {
        let field = "linux.maskedPaths"
        guard let place = try existing(path, field: field) else { return }
        var status = stat()
        try checkErrno(fstat(place.raw, &status), field, path)
        let cover = try status.st_mode & S_IFMT == S_IFDIR ? emptyDirectory() : nullDevice()
        let tree = try OwnedFD(
            checking: cl_open_tree(cover, "", openTreeClone | atEmptyPath), field, path)
        try hang(tree, on: place, field: field)
    }

    /// One for all masks.
    private mutating func emptyDirectory() throws(SystemError) -> Int32 {
        if empty < 0 {
            empty = try Self.newMount(
                "tmpfs", [("mode", "0755")],
                attributes: attrReadOnly | attrNoSuid | attrNoDev | attrNoExec
            ).release()
        }
        return empty
    }

    /// The machine's, and nothing that merely has its name (CVE-2025-31133).
    private mutating func nullDevice() throws(SystemError) -> Int32 {
        if devNull < 0 {
            let null = try OwnedFD.open("/dev/null", RootedPath.openPath | O_NOFOLLOW)
            guard
                try check(cl_character_device(null.raw), "check device", "/dev/null") == 1 << 32 | 3
            else { throw SystemError("check device", "/dev/null", errno: ENODEV) }
            devNull = null.release()
        }
        return devNull
    }

    func seal(_ path: String) throws(SystemError) {
        let place = try RootedPath.open(root: root, path, RootedPath.openPath)
        try check(
            cl_mount_setattr(place.raw, "", atEmptyPath, attrReadOnly, 0, 0), "mount_setattr", path)
    }
}
