internal import Glibc

/// Removes a tree by descriptors, following nothing, also where its directories forbid it to their owner.
enum TreeRemoval {
    /// Removes `name` and all below it from an open directory; fine where it does not exist.
    static func remove(_ directory: Int32, _ name: [CChar]) throws(LayerError) {
        if unlinkat(directory, name, 0) == 0 || errno == ENOENT { return }
        // Linux says EISDIR for directories; POSIX and some file systems EPERM.
        guard errno == EISDIR || errno == EPERM else { throw LayerError(system: errno, "remove") }
        guard let descriptor = try openDirectory(directory, name) else { return }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw LayerError(system: errno, "opendir")
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let child = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if child == [46, 0] || child == [46, 46, 0] { continue }
            try remove(descriptor, child)
        }
        if unlinkat(directory, name, AT_REMOVEDIR) != 0, errno != ENOENT {
            throw LayerError(system: errno, "rmdir")
        }
    }

    /// The same by path, for directories of the store itself.
    static func remove(path: String) throws(LayerError) {
        try remove(AT_FDCWD, Array(path.utf8).cName)
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
            fchmodat(directory, name, 0o700, 0)
            descriptor = openat(directory, name, flags)
        }
        if descriptor >= 0 {
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_mode & 0o300 != 0o300 {
                fchmod(descriptor, 0o700)
            }
            return descriptor
        }
        if errno == ENOENT { return nil }
        throw LayerError(system: errno, "open")
    }
}
