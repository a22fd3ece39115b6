internal import CLinux
internal import Glibc
public import LinuxSystem

/// The kinds of namespaces(7) by their names below /proc/PID/ns and their flags (linux/sched.h).
public enum NamespaceKind {
    static let all: [(name: String, flag: UInt64)] = [
        ("user", Namespace.user), ("mnt", Namespace.mount), ("uts", Namespace.uts),
        ("ipc", Namespace.ipc), ("net", 0x4000_0000), ("pid", Namespace.pid),
        ("cgroup", 0x0200_0000), ("time", 0x80),
    ]

    /// Those of a process that this one is not in. One's own must be left out: a user namespace cannot be joined twice.
    /// Throws ESRCH where the process has ended.
    public static func apart(from pid: Int32) throws(SystemError) -> UInt64 {
        var flags: UInt64 = 0
        for (name, flag) in all {
            // A kernel that was built without it.
            guard let own = identity("/proc/self/ns/\(name)") else { continue }
            guard let other = identity("/proc/\(pid)/ns/\(name)") else {
                throw errno == EACCES
                    ? SystemError.last("look at", "/proc/\(pid)/ns/\(name)")
                    : SystemError("join", "process \(pid)", errno: ESRCH, hint: "it has ended")
            }
            if own != other { flags |= flag }
        }
        return flags
    }

    /// A namespace's file is the same for all that are in it: its inode, on the one nsfs.
    private static func identity(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    static func names(in flags: UInt64) -> [String] {
        all.filter { flags & $0.flag != 0 }.map(\.name)
    }
}
