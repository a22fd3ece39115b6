internal import CLinux
internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

extension ImageStore {
    /// Shows an image, read-only, on an existing directory of this mount namespace until `unmount`; it stays in the store as long.
    /// Needs CAP_SYS_ADMIN and layers that were unpacked with it. Brings in nothing.
    public func mount(_ reference: String, on directory: String) throws(ImageError) -> StoredImage {
        let image = try ensure(reference, options: PullOptions(policy: .never))
        let path = try Self.absolute(directory)
        guard !uses.all().uses.contains(where: { $0.user == .mount(path) }) else {
            throw ImageError(
                .inUse, "mount on", path, "an image is mounted there",
                hint: "martlet image unmount \(path)")
        }
        try OverlayView(image.layers, form).attach(to: path)
        // Only now: a use of what is not mounted counts as over.
        do throws(ImageError) {
            if try hold(image, for: .mount(path)) { return image }
            throw Self.removed(image)
        } catch {
            umount2(path, Int32(MNT_DETACH))
            throw error
        }
    }

    private static func removed(_ image: StoredImage) -> ImageError {
        ImageError(
            .notFound, "mount", image.reference, "it was removed just now",
            hint: "martlet image pull \(image.reference)")
    }

    /// Ends what `mount` began. Throws where no image is mounted there.
    public func unmount(_ directory: String) throws(ImageError) {
        let path = try Self.absolute(directory)
        guard uses.all().uses.contains(where: { $0.user == .mount(path) }) else {
            throw ImageError(
                .notFound, "unmount", path, "no image of this store is mounted there")
        }
        guard umount2(path, Int32(UMOUNT_NOFOLLOW)) == 0 else {
            throw ImageError(
                system: SystemError.last(
                    "umount", path,
                    hint: errno == EBUSY ? "a process has it open: end that first" : nil),
                "unmount \(path)")
        }
        release(.mount(path))
    }

    /// Takes this process, which must have no other threads, into a user and a mount namespace of its own, where it is root and sees
    /// the image, read-only, on `directory`. For users who may not mount; the image stays in the store until the process ends.
    public func enter(_ reference: String, on directory: String) throws(ImageError) -> StoredImage {
        let image = try ensure(reference, options: PullOptions(policy: .never))
        let path = try Self.absolute(directory)
        guard let started = ProcessStat(getpid())?.startTime,
            try hold(image, for: .process(getpid(), started: started))
        else { throw Self.removed(image) }
        do throws(SystemError) {
            try Self.unshareMounts(form)
        } catch {
            throw ImageError(system: error, "mount \(image.reference)")
        }
        try OverlayView(image.layers, form).attach(to: path)
        return image
    }

    private static func unshareMounts(_ form: OverlayForm) throws(SystemError) {
        // CLONE_NEWUSER and CLONE_NEWNS of linux/sched.h.
        let (newUser, newMounts): (UInt64, UInt64) = (0x1000_0000, 0x0002_0000)
        let (uid, gid) = (geteuid(), getegid())
        if case .mapped(let ids) = form, try !UserNamespace.enter(ids) {
            throw SystemError("map subordinate ids", "newuidmap", errno: EPERM)
        }
        try check(
            cl_unshare(form == .user ? newUser | newMounts : newMounts), "unshare",
            hint: "user namespaces may be switched off here: user.max_user_namespaces")
        if form == .user {
            for (file, text) in [
                ("setgroups", "deny"), ("uid_map", "0 \(uid) 1"), ("gid_map", "0 \(gid) 1"),
            ] {
                let map = try OwnedFD.open("/proc/self/" + file, O_WRONLY)
                try Files.writeAll(map.raw, text.utf8, file)
            }
        }
        // Nothing of it is seen outside.
        try checkErrno(
            Glibc.mount(nil, "/", nil, UInt(MS_REC | MS_PRIVATE), nil), "mount", "/")
    }

    private static func absolute(_ path: String) throws(ImageError) -> String {
        guard let buffer = realpath(path, nil) else {
            let error = SystemError.last("open", path)
            throw ImageError(
                .malformed, "mount on", path, SystemError.text(error.errno), errno: error.errno)
        }
        defer { free(buffer) }
        return String(cString: buffer)
    }
}

/// Layers as one read-only tree.
private struct OverlayView {
    private let layers: [String]
    private let form: OverlayForm

    init(_ layers: [String], _ form: OverlayForm) {
        self.layers = layers
        self.form = form
    }

    func attach(to path: String) throws(ImageError) {
        do throws(SystemError) {
            let target = try OwnedFD.open(path, RootedPath.openPath | O_DIRECTORY)
            let mount = layers.count == 1 ? try bind(layers[0]) : try overlay()
            // MOVE_MOUNT_F_EMPTY_PATH and MOVE_MOUNT_T_EMPTY_PATH of linux/mount.h.
            try check(
                cl_move_mount(mount.raw, "", target.raw, "", 0x04 | 0x40), "move_mount", path)
        } catch {
            throw ImageError(
                system: error, "mount on \(path)")
        }
    }

    /// An overlay needs two layers at least.
    private func bind(_ layer: String) throws(SystemError) -> OwnedFD {
        // OPEN_TREE_CLONE and AT_EMPTY_PATH of linux/mount.h and fcntl.h.
        let mount = try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, layer, 0x01), "open_tree", layer)
        try check(
            cl_mount_setattr(mount.raw, "", 0x1000, Self.attributes, 0, 0), "mount_setattr", layer)
        return mount
    }

    /// One call a layer, the uppermost first (overlayfs.rst, "lowerdir+"; Linux 6.8), else all of them in one option of 255 bytes.
    private func overlay() throws(SystemError) -> OwnedFD {
        let fs = try OwnedFD(checking: cl_fsopen("overlay"), "fsopen", "overlay")
        // FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING and FSCONFIG_CMD_CREATE of linux/mount.h.
        let (setFlag, setString, create): (UInt32, UInt32, UInt32) = (0, 1, 6)
        for layer in layers.reversed() {
            let directory = try OwnedFD.open(layer, RootedPath.openPath | O_DIRECTORY).release()
            defer { close(directory) }
            // A path of more than 255 bytes would not do.
            let path = "/proc/self/fd/\(directory)"
            try check(
                path.withCString { cl_fsconfig(fs.raw, setString, "lowerdir+", $0, 0) },
                "mount(overlay)", layer, hint: "it takes Linux 6.8")
        }
        if form != .trusted {
            try check(
                cl_fsconfig(fs.raw, setFlag, "userxattr", nil, 0), "mount(overlay)", "userxattr")
        }
        try check(cl_fsconfig(fs.raw, create, nil, nil, 0), "mount(overlay)", layers.last ?? "")
        return try OwnedFD(
            checking: cl_fsmount(fs.raw, UInt32(Self.attributes)), "fsmount", "overlay")
    }

    /// MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID and MOUNT_ATTR_NODEV of linux/mount.h: what is looked at has no powers here.
    private static let attributes: UInt64 = 0x01 | 0x02 | 0x04
}
