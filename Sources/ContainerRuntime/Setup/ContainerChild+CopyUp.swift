internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: tmpcopyup

extension ContainerChild {
    /// Copies what the image has at a mount point into the file system that is about to cover it.
    func copyUp(
        from source: borrowing OwnedFD, to target: borrowing OwnedFD, _ mount: FileSystemMount
    ) throws(SystemError) {
        do throws(SystemError) {
            let directory = try OwnedFD.openAt(source.raw, ".", O_RDONLY | O_DIRECTORY)
            try Self.copyEntries(from: directory.raw, to: target.raw)
            var status = stat()
            try checkErrno(fstat(directory.raw, &status), "stat")
            let top = try OwnedFD.openAt(target.raw, ".", O_RDONLY | O_DIRECTORY)
            fchown(top.raw, status.st_uid, status.st_gid)
            fchmod(top.raw, status.st_mode & 0o7777)
        } catch {
            throw SystemError(
                "\(mount.field).options: tmpcopyup", mount.destination, errno: error.errno,
                hint: error.subject)
        }
    }

    static func copyEntries(from: Int32, to: Int32) throws(SystemError) {
        for name in try Files.names(in: from) { try copyEntry(name, from, to) }
    }

    /// Links as links, devices not at all: nothing but what a directory of an image has to have.
    private static func copyEntry(_ name: String, _ from: Int32, _ to: Int32) throws(SystemError) {
        var status = stat()
        try checkErrno(fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW), "stat", name)
        let mode = status.st_mode & 0o7777
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            try checkErrno(mkdirat(to, name, 0o700), "mkdir", name)
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
            let (inner, outer) = (
                try OwnedFD.openAt(from, name, flags).release(),
                try OwnedFD.openAt(to, name, flags).release()
            )
            defer { for fd in [inner, outer] { close(fd) } }
            try copyEntries(from: inner, to: outer)
            fchown(outer, status.st_uid, status.st_gid)
            try checkErrno(fchmod(outer, mode), "chmod", name)
        case S_IFREG:
            let source = try OwnedFD.openAt(from, name, O_RDONLY | O_NOFOLLOW)
            let copy = try OwnedFD.openAt(
                to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
            while try checkErrno(sendfile(copy.raw, source.raw, nil, 1 << 24), "copy", name) > 0 {}
            fchown(copy.raw, status.st_uid, status.st_gid)
            try checkErrno(fchmod(copy.raw, mode), "chmod", name)
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: 4097)
            try checkErrno(readlinkat(from, name, &target, 4096), "readlink", name)
            try checkErrno(symlinkat(target, to, name), "symlink", name)
            fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW)
        default: break
        }
    }
}
