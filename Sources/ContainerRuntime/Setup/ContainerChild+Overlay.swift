internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: The image's layers and the writable one

extension ContainerChild {
    /// On a tmpfs of its own, or in `directory`, which is made.
    func mountWritableLayer(_ directory: String?) throws(SystemError) {
        let upper: OwnedFD
        if let directory {
            try checkErrno(mkdir(directory, 0o755), "mkdir", directory)
            upper = try OwnedFD(
                checking: cl_open_tree(AT_FDCWD, directory, openTreeClone), "open_tree", directory)
        } else {
            upper = try Self.newUpper()
        }
        for name in ["u", "w"] { try checkErrno(mkdirat(upper.raw, name, 0o755), "mkdir", "upper") }
        // overlayfs takes its upper only from a mount that is attached.
        try check(
            cl_move_mount(upper.raw, "", AT_FDCWD, trees.directory + "/up", moveFromEmptyPath),
            "move_mount", "upper")
    }

    static func newUpper() throws(SystemError) -> OwnedFD {
        try newMount("tmpfs", [("mode", "0755")], attributes: attrNoDev)
    }

    /// One call a layer, uppermost first (overlayfs.rst, "lowerdir+").
    ///
    /// Not `volatile`: on tmpfs there is nothing to flush anyway, and its marks in the work directory take 0.1 ms.
    mutating func mountOverlay(_ layers: [String], _ userXattr: Bool) throws(SystemError) {
        let fs = try OwnedFD(checking: cl_fsopen("overlay"), "fsopen", "overlay")
        func set(_ key: String, _ value: String, of subject: String) throws(SystemError) {
            try check(
                value.withCString { cl_fsconfig(fs.raw, fsSetString, key, $0, 0) },
                "mount(overlay) \(key == "lowerdir+" ? "layer" : key)", subject)
        }
        for layer in layers.reversed() {
            try set("lowerdir+", try Self.briefly(layer), of: layer)
        }
        for (key, name) in [("upperdir", "/up/u"), ("workdir", "/up/w")] {
            let path = try trees.directory + name
            try set(key, try Self.briefly(path), of: path)
        }
        if userXattr {
            try check(
                cl_fsconfig(fs.raw, fsSetFlag, "userxattr", nil, 0), "mount(overlay)", "userxattr")
        }
        try check(cl_fsconfig(fs.raw, fsCreate, nil, nil, 0), "mount(overlay)", layers.last ?? "")
        try settle(
            // Devices are in /dev alone: there is no devices cgroup that would tame a node made elsewhere.
            try OwnedFD(checking: cl_fsmount(fs.raw, UInt32(attrNoDev)), "fsmount", "overlay"))
    }

    /// fsconfig(2) takes 255 bytes: a longer path goes by a descriptor, which closes with exec.
    private static func briefly(_ path: String) throws(SystemError) -> String {
        path.utf8.count < 256 ? path : try byDescriptor(path)
    }

    /// Opened on the machine, before the root is left behind; the machine's /proc is still there.
    static func byDescriptor(_ path: String) throws(SystemError) -> String {
        let fd = open(path, RootedPath.openPath | O_DIRECTORY | O_CLOEXEC)
        return "/proc/self/fd/\(try checkErrno(fd, "mount(overlay) layer", path))"
    }

    /// Before Linux 6.8: all layers in one option of mount(2), by descriptor, so that neither commas and colons in their paths
    /// nor its limit of one page matter to images of up to 200 layers.
    mutating func mountOverlayAtOnce(_ layers: [String], _ userXattr: Bool) throws(SystemError) {
        var lowers: [String] = []
        for layer in layers.reversed() { lowers.append(try Self.byDescriptor(layer)) }
        var options = ["lowerdir=" + lowers.joined(separator: ":")]
        options.append("upperdir=" + (try Self.byDescriptor(trees.directory + "/up/u")))
        options.append("workdir=" + (try Self.byDescriptor(trees.directory + "/up/w")))
        if userXattr { options.append("userxattr") }
        let path = try trees.directory + "/root"
        let data = options.joined(separator: ",")
        try checkErrno(
            Glibc.mount("overlay", path, "overlay", UInt(MS_NODEV), data), "mount(overlay)",
            layers.joined(separator: " "))
        root = try OwnedFD.open(path, RootedPath.openPath | O_DIRECTORY).release()
    }
}
