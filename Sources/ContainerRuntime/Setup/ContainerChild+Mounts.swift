internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: The tree of a bundle's container

extension ContainerChild {
    mutating func perform(_ step: MountStep) throws(SystemError) {
        switch step {
        case .inherited(let flag):
            try checkErrno(Glibc.mount(nil, "/", nil, flag, nil), "mount(propagation)", "/")
        case .take(let field, let path, let slot, let isRecursive):
            try take(field, path, slot, isRecursive)
        case .root(let path, let slot): try enterRoot(path, slot)
        case .fileSystem(let mount): try mountFileSystem(mount)
        case .bind(let mount): try bind(mount)
        case .cgroup(let mount): try mountCgroups(mount)
        case .device(let node): try makeDevice(node)
        case .deviceLinks: try makeDeviceLinks()
        case .readOnly(let path): try makeReadOnlyPath(path)
        case .mask(let path): try maskPath(path)
        case .seal(let path): try seal(path)
        case .rootReadOnly:
            try check(
                cl_mount_setattr(root, "", atEmptyPath, attrReadOnly, 0, 0), "root.readonly", "/")
        case .rootPropagation(let flag):
            try checkErrno(
                Glibc.mount(nil, "/", nil, flag, nil), "linux.rootfsPropagation", "/")
        case .moveRoot: try moveRoot()
        case .changeRoot: try changeRoot()
        }
    }

    /// open_tree(2): a copy that hangs nowhere yet.
    private mutating func take(
        _ field: String, _ path: String, _ slot: Int, _ isRecursive: Bool
    ) throws(SystemError) {
        let flags = openTreeClone | (isRecursive ? atRecursive : 0)
        taken[slot] = try OwnedFD(checking: cl_open_tree(AT_FDCWD, path, flags), field, path)
            .release()
    }

    private mutating func tree(_ slot: Int, _ subject: String) throws(SystemError) -> OwnedFD {
        guard let raw = taken.removeValue(forKey: slot) else {
            throw SystemError("mount", subject, errno: ENOENT)
        }
        return OwnedFD(raw)
    }

    /// pivot_root(2) wants its new root to be a mount: the copy is hung where the machine has the tree.
    private mutating func enterRoot(_ path: String, _ slot: Int) throws(SystemError) {
        let tree = try tree(slot, path)
        try check(
            cl_move_mount(tree.raw, "", AT_FDCWD, path, moveFromEmptyPath), "root.path", path)
        root = tree.release()
    }

    // MARK: Mount points

    /// Where a mount goes: made where it is missing, resolved within the root. The kernel's own file systems go to no place
    /// that the image has made a link of (CVE-2019-16884 and its kin).
    func target(_ destination: String, isDirectory: Bool, field: String, followLinks: Bool)
        throws(SystemError) -> OwnedFD
    {
        do throws(SystemError) {
            if !followLinks { return try Self.plainDirectory(root, destination) }
            return
                try isDirectory
                ? RootedPath.makeDirectories(root: root, destination)
                : RootedPath.makeFile(root: root, destination)
        } catch {
            throw SystemError(
                "\(field).destination", destination, errno: error.errno, hint: error.hint)
        }
    }

    func hang(_ mount: borrowing OwnedFD, on target: borrowing OwnedFD, field: String)
        throws(SystemError)
    {
        try check(
            cl_move_mount(mount.raw, "", target.raw, "", moveFromEmptyPath | moveToEmptyPath),
            "\(field): move_mount")
    }

    private static let kernelsOwn: Set<String> = ["proc", "sysfs", "cgroup", "cgroup2"]

    private mutating func mountFileSystem(_ mount: FileSystemMount) throws(SystemError) {
        let path = mount.destination
        let isOwn = Self.kernelsOwn.contains(mount.type) || path == "/dev"
        let target = try target(
            path, isDirectory: true, field: mount.field, followLinks: !isOwn)
        let fileSystem = try make(mount, target: target)
        if mount.options.copiesUp { try copyUp(from: target, to: fileSystem, mount) }
        try setAttributes(fileSystem, mount.options, isNew: true, field: mount.field)
        try hang(fileSystem, on: target, field: mount.field)
        try propagate(mount.options.propagation, fileSystem, field: mount.field)
        if mount.type == "proc", path == "/proc" { proc = fileSystem.release() }
    }

    private func make(_ mount: FileSystemMount, target: borrowing OwnedFD) throws(SystemError)
        -> OwnedFD
    {
        let step = "\(mount.field): mount(\(mount.type))"
        let fs = try OwnedFD(checking: cl_fsopen(mount.type), step, mount.destination)
        // A device is named by its path; elsewhere the source is a word that mountinfo shows.
        let source = mount.source.isEmpty ? mount.type : mount.source
        try check(
            source.withCString { cl_fsconfig(fs.raw, fsSetString, "source", $0, 0) }, step, source)
        if mount.source.hasPrefix("/"), mount.options.isReadOnly {
            try check(cl_fsconfig(fs.raw, fsSetFlag, "ro", nil, 0), step, "ro")
        }
        for parameter in mount.options.parameters {
            try set(parameter, fs, step)
        }
        try check(
            cl_fsconfig(fs.raw, fsCreate, nil, nil, 0), step, mount.destination,
            hint: Self.message(fs))
        return try OwnedFD(
            checking: cl_fsmount(fs.raw, 0), step, mount.destination)
    }

    private func set(
        _ parameter: MountOptions.Parameter, _ fs: borrowing OwnedFD, _ step: String
    ) throws(SystemError) {
        let key = parameter.key
        if let value = parameter.value {
            try check(
                value.withCString { cl_fsconfig(fs.raw, fsSetString, key, $0, 0) }, step,
                "\(key)=\(value)", hint: Self.message(fs))
        } else {
            try check(
                cl_fsconfig(fs.raw, fsSetFlag, key, nil, 0), step, key, hint: Self.message(fs))
        }
    }

    /// What the kernel says of a refused option; fsopen(2) lets it be read from the descriptor.
    private static func message(_ fs: borrowing OwnedFD) -> String? {
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = read(fs.raw, &buffer, buffer.count)
        return count > 2 ? String(decoding: buffer[2..<count], as: UTF8.self) : nil
    }

    /// mount_setattr(2), on this mount and on those below.
    func setAttributes(
        _ mount: borrowing OwnedFD, _ options: MountOptions, isNew: Bool, field: String
    ) throws(SystemError) {
        for (set, clear, flags) in [
            (options.set, options.clear, atEmptyPath),
            (options.recursiveSet, options.recursiveClear, atEmptyPath | atRecursive),
        ] where set != 0 || clear != 0 && !isNew {
            try check(
                cl_mount_setattr(
                    mount.raw, "", flags, set, MountOptions.clearing(set, clear), 0),
                "\(field).options: mount_setattr")
        }
    }

    /// After the mount is where it belongs: mount_setattr(2) takes one kind at a time.
    private func propagate(_ flags: [UInt], _ mount: borrowing OwnedFD, field: String)
        throws(SystemError)
    {
        for flag in flags {
            let isRecursive = flag & UInt(MS_REC) != 0
            try check(
                cl_mount_setattr(
                    mount.raw, "", atEmptyPath | (isRecursive ? atRecursive : 0), 0, 0,
                    UInt64(flag & ~UInt(MS_REC))), "\(field).options: propagation")
        }
    }

    // MARK: Bind mounts

    private mutating func bind(_ mount: BindMount) throws(SystemError) {
        let tree = try tree(mount.slot, mount.source)
        try setAttributes(tree, mount.options, isNew: false, field: mount.field)
        var status = stat()
        try checkErrno(fstat(tree.raw, &status), mount.field, mount.source)
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        let target = try target(
            mount.destination, isDirectory: isDirectory, field: mount.field, followLinks: true)
        do throws(SystemError) {
            try hang(tree, on: target, field: mount.field)
        } catch {
            // For a file on a directory move_mount(2) has the same EINVAL as for much else.
            guard !isDirectory, fstat(target.raw, &status) == 0,
                status.st_mode & S_IFMT == S_IFDIR
            else { throw error }
            throw SystemError(
                mount.field + ".destination", mount.destination, errno: ENOTDIR,
                hint: "the source is a file, and the image has a directory there")
        }
        try propagate(mount.options.propagation, tree, field: mount.field)
    }

    // MARK: Leaving the machine's tree

    private func moveRoot() throws(SystemError) {
        try checkErrno(fchdir(root), "fchdir", "root")
        try checkErrno(Glibc.mount(".", "/", nil, UInt(MS_MOVE), nil), "mount(MS_MOVE)", "root")
        try checkErrno(chroot("."), "chroot", "root")
        try checkErrno(chdir("/"), "chdir", "/")
    }

    private func changeRoot() throws(SystemError) {
        try checkErrno(fchdir(root), "fchdir", "root")
        try checkErrno(chroot("."), "chroot", "root")
        try checkErrno(chdir("/"), "chdir", "/")
    }
}
