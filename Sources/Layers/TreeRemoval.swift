internal import Glibc

/// Removes a tree by descriptors, following nothing, also where its directories forbid it to their owner, and however deep it is.
package enum TreeRemoval {
    /// Directories held open at once; what lies deeper is moved up first.
    private static let depthLimit = 64

    /// Removes `name` and all below it from an open directory; fine where it does not exist. True where it was a directory.
    @discardableResult
    static func remove(_ directory: Int32, _ name: [CChar]) throws(LayerError) -> Bool {
        if try unlinked(directory, name) { return false }
        guard let top = try openDirectory(directory, name) else { return false }
        defer { close(top) }
        var (moved, before) = (0, -1)
        while moved > before {
            before = moved
            try empty(top, top: top, depth: 1, &moved)
        }
        try removeEmpty(directory, name)
        return true
    }

    /// The same by path, for directories of the store itself.
    package static func remove(path: String) throws(LayerError) {
        try remove(AT_FDCWD, Array(path.utf8).cName)
    }

    /// Removes what is in an open directory, or moves it into `top`; `moved` counts that.
    private static func empty(_ directory: Int32, top: Int32, depth: Int, _ moved: inout Int)
        throws(LayerError)
    {
        let descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            let reason = errno
            if descriptor >= 0 { close(descriptor) }
            throw LayerError(system: reason, "opendir")
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let child = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if child == [46, 0] || child == [46, 46, 0] { continue }
            if try unlinked(directory, child) { continue }
            guard let inner = try openDirectory(directory, child) else { continue }
            defer { close(inner) }
            guard depth < depthLimit else {
                try moveUp(directory, child, to: top, &moved)
                continue
            }
            try empty(inner, top: top, depth: depth + 1, &moved)
            try removeEmpty(directory, child)
        }
    }

    /// Removes what is no directory; false where it is one.
    private static func unlinked(_ directory: Int32, _ name: [CChar]) throws(LayerError) -> Bool {
        if unlinkat(directory, name, 0) == 0 || errno == ENOENT { return true }
        // Linux says EISDIR for directories; POSIX and some file systems EPERM.
        guard errno == EISDIR || errno == EPERM else { throw LayerError(system: errno, "remove") }
        return false
    }

    private static func removeEmpty(_ directory: Int32, _ name: [CChar]) throws(LayerError) {
        if unlinkat(directory, name, AT_REMOVEDIR) != 0, errno != ENOENT {
            throw LayerError(system: errno, "rmdir")
        }
    }

    private static func moveUp(
        _ directory: Int32, _ name: [CChar], to top: Int32, _ moved: inout Int
    ) throws(LayerError) {
        while true {
            moved += 1
            if renameat(directory, name, top, Array("moved-\(moved)".utf8).cName) == 0 { return }
            // Another may have the name.
            guard [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno) else {
                throw LayerError(system: errno, "rename")
            }
        }
    }

    private static func openDirectory(_ directory: Int32, _ name: [CChar]) throws(LayerError)
        -> Int32?
    {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var descriptor = openat(directory, name, flags)
        if descriptor < 0, errno == EACCES, let status = try Raw.status(directory, name),
            Raw.isDirectory(status)
        {
            // Its owner may take the right to look inside.
            if status.st_uid != geteuid() { Raw.takeBack(directory, name) }
            fchmodat(directory, name, 0o700, 0)
            descriptor = openat(directory, name, flags)
        }
        if descriptor >= 0 {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { return descriptor }
            // Nobody but its owner, or root of his namespace, may remove what is in it.
            if status.st_uid != geteuid() { Raw.takeBack(directory, name) }
            if status.st_mode & 0o300 != 0o300 { fchmod(descriptor, 0o700) }
            return descriptor
        }
        if errno == ENOENT { return nil }
        throw LayerError(system: errno, "open")
    }
}
