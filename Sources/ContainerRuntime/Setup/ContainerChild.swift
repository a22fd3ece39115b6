internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Carries a plan out: runs in the child between clone and exec, where it is alone and owes nobody a clean-up, since all
/// that it makes ends with it. Directories and mounts inside the root are reached by descriptor only.
struct ContainerChild: ~Copyable {
    private let preparedTrees: PreparedTrees?
    /// Whose lock says that the launcher lives; nil where there is none.
    let table: ContainerTable?
    /// Where a failing step is told; its closing by exec says that all went well.
    var status: Int32
    /// Where `start` will connect, for a bundle that is created first; else -1.
    let startListener: Int32
    /// The container's root, once there is one.
    var root: Int32 = -1
    var proc: Int32 = -1
    var devNull: Int32 = -1
    /// An empty directory, for masks.
    var empty: Int32 = -1
    /// Trees of the machine that are to be mounted, by slot.
    var taken: [Int: Int32] = [:]
    var account: UserLookup?
    /// That the process gets besides those of its user.
    var furtherGroups: [UInt32] = []
    /// A pidfd of a process of the container that is joined.
    var target: Int32 = -1
    /// Where the kernel is to write the pid of the process that is cloned into a container.
    var pidPlace: UnsafeMutablePointer<pid_t>?
    /// The terminal is this process's stdin, stdout and stderr.
    var hasTerminal = false
    /// Where it was looked up before exec.
    var program: Program?

    init(trees: PreparedTrees?, table: ContainerTable?, status: Int32) {
        preparedTrees = trees
        self.table = table
        self.status = status
        startListener = -1
    }

    /// For a bundle. `taken` are trees that the parent could take and the child cannot.
    init(status: Int32, startListener: Int32, taken: [Int: Int32]) {
        preparedTrees = nil
        table = nil
        self.status = status
        self.startListener = startListener
        self.taken = taken
    }

    var trees: PreparedTrees {
        get throws(SystemError) {
            guard let preparedTrees else {
                throw SystemError("use", "the launcher's prepared trees", errno: ENOENT)
            }
            return preparedTrees
        }
    }

    mutating func perform(_ step: SetupStep) throws(SystemError) {
        switch step {
        case .joinCgroup(let path): try Cgroups.join(path)
        case .session: try checkErrno(setsid(), "setsid")
        case .hostname(let name):
            try check(cl_sethostname(name, name.utf8.count), "sethostname", name)
        case .network: try enterNetwork()
        case .loopback: try Self.raiseLoopback()
        case .handOverNetwork: try handOverNetwork()
        case .awaitNetwork: try awaitWord("network")
        case .hostRoot: try mountHostRoot()
        case .hide(let path): try attach(try cloneTree("/empty"), at: path, followLinks: true)
        case .writableLayer(let directory): try mountWritableLayer(directory)
        case .overlay(let layers, let userXattr, let oneByOne):
            if oneByOne {
                try mountOverlay(layers, userXattr)
            } else {
                try mountOverlayAtOnce(layers, userXattr)
            }
        case .handOverUpper: try handOver("u")
        case .privateCopy(let source, let destination, let place, let userXattr):
            try mountPrivateCopy(of: source, place, userXattr)
            try bind(try copyPath(place), destination, false)
        case .handOverCopy(let place): try handOver(Self.copyUpper(place))
        case .proc: try mountProc()
        case .readOnlyProc(let name): try makeReadOnly(name)
        case .maskProc(let entry): try mask(entry)
        case .dev(let shm, let ownTerminalGroup): try mountDev(shm, ownTerminalGroup)
        case .sys: try attach(try cloneTree("/sys"), at: "/sys", followLinks: false)
        case .machineDevices(let shm): try mountMachineDevices(shm)
        case .machineSys: try attach(try Self.machineTree("/sys"), at: "/sys", followLinks: false)
        case .bind(let source, let destination, let readOnly):
            try bind(source, destination, readOnly)
        case .tmpfs(let path, let size): try mountTmpfs(path, size)
        case .hostFile(let source, let destination): try bindHostFile(source, destination)
        case .sealRoot:
            try check(
                cl_mount_setattr(root, "", atEmptyPath, attrReadOnly, 0, 0), "mount_setattr", "/")
        case .pivot: try pivot()
        case .resourceLimits(let limits): try setLimits(limits)
        case .affinity(let cpus): try setAffinity(cpus)
        case .memoryPolicy(let policy):
            try check(
                MemoryPolicy.set(policy.mode.rawValue, policy.nodes), "set_mempolicy", "\(policy)")
        case .identity(let user, let groups): try become(user, setGroups: groups)
        case .capabilities(let keep): try keepOnly(keep)
        case .makeWorkingDirectory(let path): try makeWorkingDirectory(path)
        case .workingDirectory(let path): try enter(path)
        case .noNewPrivileges:
            try check(cl_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
        case .dieWithLauncher: try dieWithLauncher()
        case .becomeInit: try becomeInit()
        case .awaitTurn: try awaitWord("wait")
        case .lookUpProgram(let arguments, let environment):
            program = try lookUp(arguments, environment)
        case .seccomp(let filter): try confine(filter)
        case .exec(let arguments, let environment): try exec(arguments, environment)
        case .undumpable:
            try check(cl_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
        case .closeDescriptors(let preserved):
            closeDescriptors(from: 3 + preserved, but: [status, target])
        case .joinNamespaces(let flags): try joinNamespaces(flags)
        case .enterProcessNamespace: try enterProcessNamespace()
        case .terminal(let size, let onConsole): try makeTerminal(size, onConsole: onConsole)
        case .umask(let mask): Glibc.umask(mask)
        case .keepCapabilities:
            try check(cl_prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)")
        case .ids(let uid, let gid, let groups): try become(uid, gid, groups)
        case .capabilitySets(let sets): try sets.apply()
        case .mount(let step): try perform(step)
        case .process(let step): try perform(step)
        case .device(let step): try perform(step)
        }
    }

    /// First byte of a message on the status socket.
    enum Told {
        /// Comes with a descriptor of the writable layer.
        static let upper: UInt8 = 0
        /// A failing step follows.
        static let failure: UInt8 = 1
        /// The pid of the process that has been cloned into a container follows, as its parent sees it.
        static let pid: UInt8 = 2
        /// Comes with the near end of the terminal.
        static let terminal: UInt8 = 3
        /// A milestone follows; the child waits for a byte.
        static let arrived: UInt8 = 4
        /// Comes with the descriptor on which a seccomp filter notifies.
        static let listener: UInt8 = 5
        /// Comes with the network namespace that is to be connected; the child waits for a byte.
        static let network: UInt8 = 6
    }

    /// Bytes of the largest message on the status socket.
    static let longestMessage = 8192

    /// A SystemError as bytes: errno, step, subject. Cut where it is long: two hundred layers make a long subject.
    static func encode(_ error: SystemError) -> [UInt8] {
        var out = WireWriter()
        let hint = error.hint.map { " (\($0))" } ?? ""
        out.put(error.errno)
        out.put(error.step)
        out.put(shortened(error.subject, 5000) + shortened(hint, 2000))
        return out.bytes
    }

    private static func shortened(_ text: String, _ most: Int) -> String {
        text.utf8.count <= most
            ? text : String(decoding: text.utf8.prefix(most), as: UTF8.self) + "…"
    }

    static func decode(_ bytes: ArraySlice<UInt8>) -> (step: String, subject: String, errno: Int32)
    {
        var wire = WireReader(bytes)
        // Written by our own child, so it reads.
        guard let errno = try? wire.int32(), let step = try? wire.string(),
            let subject = try? wire.string()
        else { return ("start", "what the child said", EBADMSG) }
        return (step, subject, errno)
    }
}

extension ContainerChild {
    /// Uses in the launcher, once, the generic types that its children use: the Swift runtime looks a type up when a process
    /// first needs it, which took a tenth of each start, and a child inherits what its launcher has found.
    static func rehearse() {
        // A mount that nobody attaches. Where it cannot be made, a start says so.
        _ = try? newUpper()
        // Nothing has an empty name.
        _ = try? RootedPath.open(root: AT_FDCWD, "", 0)
        _ = affinityMask([0])
        _ = standsWithinRoot()
        for pointer in pointers([""]) { free(pointer) }
    }
}

// MARK: Mounts

extension ContainerChild {
    private func cloneTree(_ name: String) throws(SystemError) -> OwnedFD {
        let path = try trees.directory + name
        return try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, path, openTreeClone | atRecursive), "open_tree", path)
    }

    static func newMount(
        _ type: String, _ options: [(String, String?)], attributes: UInt64
    ) throws(SystemError) -> OwnedFD {
        let fs = try OwnedFD(checking: cl_fsopen(type), "fsopen", type)
        for (key, value) in options {
            if let value {
                try check(
                    value.withCString { cl_fsconfig(fs.raw, fsSetString, key, $0, 0) },
                    "mount(\(type)) \(key)", value)
            } else {
                try check(cl_fsconfig(fs.raw, fsSetFlag, key, nil, 0), "mount(\(type))", key)
            }
        }
        try check(cl_fsconfig(fs.raw, fsCreate, nil, nil, 0), "mount", type)
        return try OwnedFD(checking: cl_fsmount(fs.raw, UInt32(attributes)), "fsmount", type)
    }

    /// Attaches a detached mount to a directory of the root, which is made where it is missing. What the image put in the way
    /// of the kernel's own file systems, links above all, is refused and not followed (CVE-2019-16884 and its kin).
    private func attach(_ mount: borrowing OwnedFD, at path: String, followLinks: Bool)
        throws(SystemError)
    {
        let target =
            try followLinks
            ? RootedPath.makeDirectories(root: root, path)
            : Self.plainDirectory(root, path)
        try check(
            cl_move_mount(mount.raw, "", target.raw, "", moveFromEmptyPath | moveToEmptyPath),
            "move_mount", path)
    }

    static func plainDirectory(_ root: Int32, _ path: String) throws(SystemError) -> OwnedFD {
        do throws(SystemError) {
            return try RootedPath.open(
                root: root, path, RootedPath.openPath | O_DIRECTORY, followLinks: false)
        } catch {
            if error.errno == ELOOP {
                throw SystemError(
                    "mount", path, errno: ELOOP,
                    hint: "in the image it is a symbolic link, which is not followed")
            }
            guard error.errno == ENOENT else { throw error }
            return try RootedPath.makeDirectories(root: root, path)
        }
    }

    private mutating func mountHostRoot() throws(SystemError) {
        let tree = try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, "/", openTreeClone | atRecursive), "open_tree", "/")
        try check(
            cl_mount_setattr(
                tree.raw, "", atEmptyPath | atRecursive, attrReadOnly | attrNoDev, 0, 0),
            "mount_setattr", "/")
        try settle(tree)
    }

    /// Attaches the tree that is to be the root, and keeps it open: what fsmount(2) and open_tree(2) return is the mount itself.
    mutating func settle(_ tree: consuming OwnedFD) throws(SystemError) {
        let path = try trees.directory + "/root"
        try check(
            cl_move_mount(tree.raw, "", AT_FDCWD, path, moveFromEmptyPath), "move_mount", "root")
        root = tree.release()
    }

    private func handOver(_ name: String) throws(SystemError) {
        let upper = try OwnedFD.open(trees.directory + "/up/" + name, O_RDONLY | O_DIRECTORY)
        _ = try UnixSocket.send(status, [Told.upper], descriptors: [upper.raw])
    }

    private mutating func mountProc() throws(SystemError) {
        let mount = try Self.newMount("proc", [], attributes: attrNoSuid | attrNoDev | attrNoExec)
        try attach(mount, at: "/proc", followLinks: false)
        proc = mount.release()
        devNull = try OwnedFD.open(trees.directory + "/dev/null", RootedPath.openPath | O_NOFOLLOW)
            .release()
    }

    private func makeReadOnly(_ name: String) throws(SystemError) {
        let tree = try OwnedFD(
            checking: cl_open_tree(proc, name, openTreeClone | atRecursive), "open_tree",
            "/proc/" + name)
        try check(
            cl_mount_setattr(
                tree.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoDev | attrNoExec, 0, 0),
            "mount_setattr", "/proc/" + name)
        try check(
            cl_move_mount(tree.raw, "", proc, name, moveFromEmptyPath), "move_mount",
            "/proc/" + name)
    }

    private func mask(_ entry: MaskedEntry) throws(SystemError) {
        let tree =
            entry.isDirectory
            ? try cloneTree("/empty")
            : try OwnedFD(
                checking: cl_open_tree(devNull, "", openTreeClone | atEmptyPath), "open_tree",
                "/dev/null")
        try check(
            cl_move_mount(tree.raw, "", proc, entry.name, moveFromEmptyPath), "move_mount",
            "/proc/" + entry.name)
    }

    private func mountDev(_ shm: Int64?, _ ownTerminalGroup: Bool) throws(SystemError) {
        try mountDev(try cloneTree("/dev"), shm, ownTerminalGroup)
    }

    /// Read-only leaves devices writable, and the machine's directory of them as it is: what an image's start-up makes and
    /// removes there would be the machine's.
    private func mountMachineDevices(_ shm: Int64?) throws(SystemError) {
        let tree = try Self.machineTree("/dev")
        try check(
            cl_mount_setattr(tree.raw, "", atEmptyPath, attrReadOnly, 0, 0), "mount_setattr", "/dev"
        )
        try mountDev(tree, shm, true)
    }

    private static func machineTree(_ path: String) throws(SystemError) -> OwnedFD {
        try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, path, openTreeClone | atRecursive), "open_tree", path)
    }

    func mountDev(_ tree: borrowing OwnedFD, _ shm: Int64?, _ ownTerminalGroup: Bool)
        throws(SystemError)
    {
        try attach(tree, at: "/dev", followLinks: false)
        let dev = try RootedPath.open(
            root: root, "/dev", RootedPath.openPath | O_DIRECTORY, followLinks: false)
        // Group 5 is tty on every distribution; it is not mapped where one id is all there is.
        let terminals: [(String, String?)] =
            [("mode", "0620"), ("ptmxmode", "0666")] + (ownTerminalGroup ? [("gid", "5")] : [])
        let pts = try Self.newMount("devpts", terminals, attributes: attrNoSuid | attrNoExec)
        try check(
            cl_move_mount(pts.raw, "", dev.raw, "pts", moveFromEmptyPath), "move_mount", "/dev/pts")
        let size: [(String, String?)] = shm.map { [("size", "\($0)")] } ?? []
        let memory = try Self.newMount(
            "tmpfs", [("mode", "1777")] + size, attributes: attrNoSuid | attrNoDev | attrNoExec)
        try check(
            cl_move_mount(memory.raw, "", dev.raw, "shm", moveFromEmptyPath), "move_mount",
            "/dev/shm")
    }

    private func bind(_ source: String, _ destination: String, _ readOnly: Bool) throws(SystemError)
    {
        guard destination.split(separator: "/").contains(where: { $0 != "." }) else {
            throw SystemError(
                "bind", destination, errno: EINVAL, hint: "a mount cannot replace the root")
        }
        // Opened before the root is left behind, so it is the machine's path, with the machine's links.
        let tree = try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, source, openTreeClone | atRecursive), "bind", source)
        let attributes = attrNoSuid | attrNoDev | (readOnly ? attrReadOnly : 0)
        try check(
            cl_mount_setattr(tree.raw, "", atEmptyPath | atRecursive, attributes, 0, 0),
            "mount_setattr", source)
        var status = stat()
        try checkErrno(fstat(tree.raw, &status), "stat", source)
        let target: OwnedFD
        do throws(SystemError) {
            target =
                try status.st_mode & S_IFMT == S_IFDIR
                ? RootedPath.makeDirectories(root: root, destination)
                : RootedPath.makeFile(root: root, destination)
        } catch {
            let hint: String? =
                switch error.errno {
                case EROFS: "the root is read-only and has no such path to mount on"
                case ENOTDIR: "the source is a directory, the image has a file there"
                case ENOENT, EEXIST: "the image has a link there that leads nowhere"
                default: nil
                }
            throw SystemError("bind", destination, errno: error.errno, hint: hint)
        }
        try check(
            cl_move_mount(tree.raw, "", target.raw, "", moveFromEmptyPath | moveToEmptyPath),
            "move_mount", destination)
    }

    private func bindHostFile(_ source: String, _ destination: String) throws(SystemError) {
        let result = cl_open_tree(AT_FDCWD, source, openTreeClone)
        if result == -ENOENT { return }
        let tree = try OwnedFD(checking: result, "bind", source)
        try check(
            cl_mount_setattr(
                tree.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoDev | attrNoExec, 0, 0),
            "mount_setattr", source)
        let target: OwnedFD
        do throws(SystemError) {
            target = try RootedPath.makeFile(root: root, destination, replacingLink: true)
        } catch {
            // In an image that is somebody else's directory nothing can be made: the task runs without it.
            guard [EACCES, EPERM, EROFS, ENOTDIR, EOVERFLOW].contains(error.errno) else {
                throw error
            }
            return
        }
        try check(
            cl_move_mount(tree.raw, "", target.raw, "", moveFromEmptyPath | moveToEmptyPath),
            "move_mount", destination)
    }

    private func mountTmpfs(_ path: String, _ size: Int64?) throws(SystemError) {
        let options: [(String, String?)] =
            [("mode", "1777")] + (size.map { [("size", "\($0)")] } ?? [])
        try attach(
            try Self.newMount("tmpfs", options, attributes: attrNoSuid | attrNoDev), at: path,
            followLinks: true)
    }

    /// pivot_root(2), "pivot_root(".", ".")": the old root lands on the new one and is let go from there.
    private mutating func pivot() throws(SystemError) {
        try checkErrno(fchdir(root), "fchdir", "root")
        try check(cl_pivot_root(".", "."), "pivot_root")
        try checkErrno(umount2(".", Int32(MNT_DETACH)), "umount", "old root")
        try checkErrno(chdir("/"), "chdir", "/")
    }
}
