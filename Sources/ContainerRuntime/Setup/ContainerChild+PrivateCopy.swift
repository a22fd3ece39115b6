internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: Directories of the machine that a container writes to for itself

extension ContainerChild {
    /// Where a private copy is seen before it goes to its place in the container.
    func copyPath(_ place: Int) throws(SystemError) -> String {
        try trees.directory + "/up/c\(place)"
    }

    /// What is written to it, below the writable layer; where it had to be copied, all of it.
    static func copyUpper(_ place: Int) -> String { "u\(place)" }

    /// An overlay whose upper lies beside the root's own; where the kernel makes none (the source lies on too many already), a copy
    /// in truth.
    func mountPrivateCopy(of source: String, _ place: Int, _ userXattr: Bool) throws(SystemError) {
        let (directory, path) = (try trees.directory + "/up", try copyPath(place))
        var status = stat()
        try checkErrno(stat(source, &status), "copy", source)
        guard status.st_mode & S_IFMT == S_IFDIR else { return try copyFile(source, path, status) }
        let upper = "\(directory)/\(Self.copyUpper(place))"
        let work = "\(directory)/w\(place)"
        for name in [upper, work, path] { try checkErrno(mkdir(name, 0o755), "mkdir", name) }
        // The copy's own directory has the upper's owner, mode and time.
        try own(upper, status)
        let options = [
            "lowerdir=" + (try Self.byDescriptor(source)),
            "upperdir=" + (try Self.byDescriptor(upper)),
            "workdir=" + (try Self.byDescriptor(work)),
        ]
        let data = (options + (userXattr ? ["userxattr"] : [])).joined(separator: ",")
        if Glibc.mount("overlay", path, "overlay", UInt(MS_NODEV), data) == 0 { return }
        let lower = try OwnedFD.open(source, O_RDONLY | O_DIRECTORY)
        let copy = try OwnedFD.open(upper, O_RDONLY | O_DIRECTORY)
        do throws(SystemError) {
            try Self.copyEntries(from: lower.raw, to: copy.raw)
        } catch {
            throw SystemError("copy \(source)", error.subject, errno: error.errno)
        }
        try own(upper, status)
        try checkErrno(Glibc.mount(upper, path, nil, UInt(MS_BIND), nil), "mount(bind)", upper)
    }

    private func own(_ path: String, _ status: stat) throws(SystemError) {
        // Whoever may not give it away has what is his own.
        chown(path, status.st_uid, status.st_gid)
        try checkErrno(chmod(path, status.st_mode & 0o7777), "chmod", path)
        let times = [status.st_atim, status.st_mtim]
        try checkErrno(utimensat(AT_FDCWD, path, times, 0), "utimensat", path)
    }

    private func copyFile(_ source: String, _ path: String, _ status: stat) throws(SystemError) {
        let from = try OwnedFD.open(source, O_RDONLY)
        let to = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        while try checkErrno(sendfile(to.raw, from.raw, nil, 1 << 24), "copy", source) > 0 {}
        try own(path, status)
    }
}
