internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: Devices of a task, and the files of their driver

extension ContainerChild {
    mutating func perform(_ step: DeviceStep) throws(SystemError) {
        switch step {
        case .directory(let shm, let ownTerminalGroup):
            try makeDeviceDirectory(shm, ownTerminalGroup)
        case .link(let link): try makeLink(link)
        case .file(let file): try replace(file)
        case .libraries(let libraries): try tellLinkers(of: libraries)
        case .groups(let groups): furtherGroups = groups
        }
    }

    /// What every container has there, and room for more. No node can be made in it once it is sealed.
    private func makeDeviceDirectory(_ shm: Int64?, _ ownTerminalGroup: Bool) throws(SystemError) {
        let tree = try Self.newMount(
            "tmpfs", [("mode", "0755"), ("size", "1m")], attributes: attrNoSuid | attrNoExec)
        for name in ["pts", "shm", "mqueue"] {
            try checkErrno(mkdirat(tree.raw, name, 0o755), "mkdir", "/dev/" + name)
        }
        for (name, target) in PreparedTrees.links {
            try checkErrno(symlinkat(target, tree.raw, name), "symlink", "/dev/" + name)
        }
        try mountDev(tree, shm, ownTerminalGroup)
        let prepared = try trees.directory + "/dev/"
        for (name, _, _) in PreparedTrees.devices {
            let device = try OwnedFD(
                checking: cl_open_tree(AT_FDCWD, prepared + name, openTreeClone), "open_tree",
                "/dev/" + name)
            let flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY
            _ = try OwnedFD.openAt(tree.raw, name, flags, mode: 0o644)
            try check(
                cl_move_mount(device.raw, "", tree.raw, name, moveFromEmptyPath), "move_mount",
                "/dev/" + name)
        }
    }

    /// A directory there is not replaced: it would be a tree of the image's that is lost.
    private func makeLink(_ link: DeviceInjection.Link) throws(SystemError) {
        let (parent, name) = RootedPath.split(link.path)
        let directory = try RootedPath.makeDirectories(root: root, parent)
        if unlinkat(directory.raw, name, 0) < 0, errno != ENOENT {
            throw SystemError.last(DeviceInjection.field, link.path)
        }
        try checkErrno(
            symlinkat(link.target, directory.raw, name), DeviceInjection.field, link.path)
    }

    /// A bind mount of a file that has no name any more: of the kernel's own files there is no other way to replace one.
    private func replace(_ file: DeviceInjection.File) throws(SystemError) {
        let field = DeviceInjection.field
        let target = try RootedPath.open(root: root, file.path, RootedPath.openPath)
        let dev = try RootedPath.open(
            root: root, "/dev", RootedPath.openPath | O_DIRECTORY, followLinks: false)
        let name = ".martlet-file"
        let new = try OwnedFD.openAt(
            dev.raw, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, mode: 0o444)
        defer { unlinkat(dev.raw, name, 0) }
        try Files.writeAll(new.raw, file.text.utf8, file.path)
        let tree = try OwnedFD(
            checking: cl_open_tree(dev.raw, name, openTreeClone), field, file.path)
        try check(
            cl_mount_setattr(
                tree.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoDev | attrNoExec, 0, 0),
            field, file.path)
        try hang(tree, on: target, field: field)
    }

    // MARK: Dynamic linkers

    /// ld.so(8) finds libraries by its cache, and ld-musl by a list of directories. Both files are made anew in the image's
    /// place of them: other entries stay as they are.
    private func tellLinkers(of libraries: [DeviceInjection.Library]) throws(SystemError) {
        let old = try imageFile(LinkerCache.path).flatMap { LinkerCache($0) }
        var cache = old ?? LinkerCache()
        cache.put(libraries)
        try write(cache.bytes, to: LinkerCache.path)
        guard try imageFile(LinkerCache.muslLinker, limit: 0) != nil else { return }
        let path = LinkerCache.muslPath
        let list = try imageFile(path).map { String(decoding: $0, as: UTF8.self) }
        try write(Array(LinkerCache.muslDirectories(libraries, list).utf8), to: path)
    }

    /// Nil where there is no such regular file, or where it is larger than any that is meant well.
    private func imageFile(_ path: String, limit: Int = 16 << 20) throws(SystemError) -> [UInt8]? {
        guard let found = try? RootedPath.open(root: root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        else { return nil }
        var status = stat()
        guard fstat(found.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        guard limit > 0 else { return [] }
        guard status.st_size <= limit else { return nil }
        return try Files.read(found.raw, path, limit: limit)
    }

    /// A link there is replaced and not followed.
    private func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
        let (parent, name) = RootedPath.split(path)
        let directory = try RootedPath.makeDirectories(root: root, parent)
        let new = name + ".martlet"
        unlinkat(directory.raw, new, 0)
        do throws(SystemError) {
            let file = try OwnedFD.openAt(
                directory.raw, new, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, mode: 0o644)
            try Files.writeAll(file.raw, bytes, path)
            try checkErrno(
                renameat(directory.raw, new, directory.raw, name), DeviceInjection.field, path)
        } catch {
            throw SystemError(DeviceInjection.field, path, errno: error.errno, hint: error.hint)
        }
    }
}
