internal import CLinux
internal import Glibc
public import LinuxSystem

/// What every container of a launcher shares, made once: the launcher's namespaces, and /dev and /sys trees to clone.
///
/// The trees hang below `directory` on a tmpfs that only the launcher's own mount namespace sees.
public struct PreparedTrees: Sendable {
    public let host: HostFacts
    /// Holds `dev`, `sys`, `empty`, and the mount points `up` and `root` that each child uses in its own namespace.
    let directory: String

    /// Names and numbers, from the kernel's admin-guide/devices.txt.
    static let devices: [(name: String, major: Int64, minor: Int64)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
        ("tty", 5, 0),
    ]

    /// What /dev has besides devices, runtime-linux.md, "Dev symbolic links".
    static let links = [
        ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
    ]

    /// Enters a user namespace where the caller is not root, then a mount namespace, and builds the trees.
    /// The process must have one thread, and cannot go back.
    public init(directory: String, runDirectory: String) throws(SystemError) {
        try Files.makeDirectories(directory, mode: 0o700)
        let ids = try UserNamespace.enterIfNeeded()
        try check(cl_unshare(Namespace.mount), "unshare(mount)")
        // Slave, not private: what is mounted on the machine later is still seen, and nothing goes back.
        try checkErrno(
            Glibc.mount(nil, "/", nil, UInt(MS_REC | MS_SLAVE), nil), "mount(slave)", "/")
        try checkErrno(
            Glibc.mount("martlet", directory, "tmpfs", UInt(MS_NOSUID), "mode=0700,size=1m"),
            "mount(tmpfs)", directory)
        for name in ["dev", "sys", "empty", "up", "root"] {
            try Files.makeDirectories(directory + "/" + name)
        }
        try Self.bindOntoItself(directory + "/empty")
        try Self.makeDevices(directory + "/dev")
        try Self.makeSys(directory, inUserNamespace: ids.inUserNamespace)
        // Of root's, for privileged containers.
        try Capabilities.keep(ids.inUserNamespace ? Capabilities.pasta : .max)
        try Capabilities.bound(to: Capabilities.docker)
        self.directory = directory
        var host = HostFacts.detect(
            inUserNamespace: ids.inUserNamespace, canSetGroups: ids.canSetGroups)
        host.runDirectory = runDirectory
        self.host = host
    }

    private static func makeDevices(_ dev: String) throws(SystemError) {
        for (name, major, minor) in devices {
            // Bound from the machine and not made: it works for everybody, and the type is checked on what was opened.
            let source = try OwnedFD(
                checking: cl_open_tree(AT_FDCWD, "/dev/" + name, openTreeClone), "open_tree",
                "/dev/" + name)
            guard
                try check(cl_character_device(source.raw), "check device", "/dev/" + name) == major
                    << 32 | minor
            else {
                throw SystemError(
                    "check device", "/dev/" + name, errno: ENODEV,
                    hint: "it is not the device of that name")
            }
            // Read-only leaves a device writable, but not its mode and owner, which are the machine's.
            try check(
                cl_mount_setattr(
                    source.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoExec, 0, 0),
                "mount_setattr", "/dev/" + name)
            _ = try OwnedFD.open(dev + "/" + name, O_CREAT | O_WRONLY | O_EXCL)
            try check(
                cl_move_mount(source.raw, "", AT_FDCWD, dev + "/" + name, moveFromEmptyPath),
                "move_mount", dev + "/" + name)
        }
        for (name, target) in links {
            try checkErrno(symlink(target, dev + "/" + name), "symlink", dev + "/" + name)
        }
        for name in ["pts", "shm", "mqueue"] { try Files.makeDirectories(dev + "/" + name) }
        try bindOntoItself(dev)
    }

    private static func makeSys(_ directory: String, inUserNamespace: Bool) throws(SystemError) {
        // What hangs below /sys (cgroups, debugfs) stays out; in a user namespace the kernel keeps such trees together.
        let flags = openTreeClone | (inUserNamespace ? atRecursive : 0)
        let sys = try OwnedFD(checking: cl_open_tree(AT_FDCWD, "/sys", flags), "open_tree", "/sys")
        try check(
            cl_mount_setattr(
                sys.raw, "", atEmptyPath | atRecursive,
                attrReadOnly | attrNoSuid | attrNoDev | attrNoExec, 0, 0),
            "mount_setattr", "/sys")
        try check(
            cl_move_mount(sys.raw, "", AT_FDCWD, directory + "/sys", moveFromEmptyPath),
            "move_mount", "/sys")
        guard !inUserNamespace else { return }
        for masked in ["/sys/firmware", "/sys/devices/virtual/powercap"]
        where Files.exists(directory + masked) {
            try checkErrno(
                Glibc.mount(directory + "/empty", directory + masked, nil, UInt(MS_BIND), nil),
                "mask", masked)
        }
    }

    /// Makes a directory a read-only mount, for children to clone.
    private static func bindOntoItself(_ path: String) throws(SystemError) {
        let tree = try OwnedFD(
            checking: cl_open_tree(AT_FDCWD, path, openTreeClone | atRecursive), "open_tree", path)
        try check(
            cl_mount_setattr(
                tree.raw, "", atEmptyPath, attrReadOnly | attrNoSuid | attrNoExec, 0, 0),
            "mount_setattr", path)
        try check(
            cl_move_mount(tree.raw, "", AT_FDCWD, path, moveFromEmptyPath), "move_mount", path)
    }
}

extension HostFacts {
    static func detect(inUserNamespace: Bool, canSetGroups: Bool) -> HostFacts {
        func here(_ names: [String]) -> [String] { names.filter { Files.exists("/proc/" + $0) } }
        func isDirectory(_ name: String) -> Bool { Files.exists("/proc/" + name + "/.") }
        return HostFacts(
            inUserNamespace: inUserNamespace, canSetGroups: canSetGroups,
            takesLayersOneByOne: kernel().lexicographicallyPrecedes([6, 8]) == false,
            readOnlyProc: here(["bus", "fs", "irq", "sys", "sysrq-trigger"]),
            maskedProc: here([
                "acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list",
                "timer_stats",
                "sched_debug", "scsi",
            ]).map { MaskedEntry(name: $0, isDirectory: isDirectory($0)) },
            // Without /proc nothing works, and something else says so.
            capabilities: (try? Capabilities.permitted()) ?? 0)
    }

    /// Version and patch level of uname(2): [6, 1] for 6.1.0-13-amd64.
    static func kernel() -> [Int] {
        // Without /proc nothing works, and something else says so.
        let release = (try? Files.text("/proc/sys/kernel/osrelease")) ?? ""
        return release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    }

    /// As a launcher of this user would find the machine, without entering anything: for printing plans.
    public static func expected() -> HostFacts {
        let root = geteuid() == 0
        return detect(
            inUserNamespace: !root || !UserNamespace.isInitial,
            canSetGroups: root || SubordinateIDs.ofThisUser() != nil)
    }
}

/// linux/sched.h.
enum Namespace {
    static let mount: UInt64 = 0x0002_0000
    static let uts: UInt64 = 0x0400_0000
    static let ipc: UInt64 = 0x0800_0000
    static let cgroup: UInt64 = 0x0200_0000
    static let user: UInt64 = 0x1000_0000
    static let pid: UInt64 = 0x2000_0000
    static let network: UInt64 = 0x4000_0000
    static let time: UInt64 = 0x80
}

// linux/mount.h and linux/fcntl.h: macros with casts, which the importer leaves out.
let openTreeClone: UInt32 = 1
let atRecursive: UInt32 = 0x8000
let atEmptyPath: UInt32 = 0x1000
let moveFromEmptyPath: UInt32 = 0x04
let moveToEmptyPath: UInt32 = 0x40
let attrReadOnly: UInt64 = 0x01
let attrNoSuid: UInt64 = 0x02
let attrNoDev: UInt64 = 0x04
let attrNoExec: UInt64 = 0x08
let fsSetFlag: UInt32 = 0
let fsSetString: UInt32 = 1
let fsCreate: UInt32 = 6
