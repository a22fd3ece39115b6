internal import CLinux
internal import Glibc

/// The user namespace in which an ordinary user's processes are root, user_namespaces(7).
public enum UserNamespace {
    public struct Entered: Sendable {
        public let inUserNamespace: Bool
        public let canSetGroups: Bool
    }

    /// For root this does nothing. Else: uid 0 inside is the user outside, and subordinate ids follow where the machine
    /// grants them; where it grants none, that one id is all there is. The process must have one thread.
    public static func enterIfNeeded() throws(SystemError) -> Entered {
        guard geteuid() != 0 else {
            let isInitial = isInitial
            return Entered(
                inUserNamespace: !isInitial, canSetGroups: isInitial || allowsSettingGroups)
        }
        let (uid, gid) = (geteuid(), getegid())
        if let ids = SubordinateIDs.ofThisUser() {
            if try enter(ids) { return Entered(inUserNamespace: true, canSetGroups: true) }
        } else {
            try unshareUser()
        }
        try write("/proc/self/setgroups", "deny")
        try write("/proc/self/uid_map", "0 \(uid) 1")
        try write("/proc/self/gid_map", "0 \(gid) 1")
        return Entered(inUserNamespace: true, canSetGroups: false)
    }

    /// Whether this process is in the machine's own, and not in one that somebody made: root of such a one has power over its
    /// ids alone.
    public static var isInitial: Bool {
        // Without /proc nothing works, and something else says so.
        guard let map = try? Files.text("/proc/self/uid_map") else { return true }
        return map.split { $0 == " " || $0 == "\n" } == ["0", "0", "4294967295"]
    }

    /// Whoever made it may have forbidden it for good.
    private static var allowsSettingGroups: Bool {
        (try? Files.text("/proc/self/setgroups"))?.hasPrefix("allow") ?? false
    }

    private static func unshareUser() throws(SystemError) {
        // CLONE_NEWUSER of linux/sched.h.
        try check(
            cl_unshare(0x1000_0000), "unshare(user)",
            hint:
                "unprivileged user namespaces are switched off here; ask for user.max_user_namespaces"
                + " and, on Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0")
    }

    /// Takes this process, which must have one thread, into a new one with subordinate ids. Only newuidmap and newgidmap (setuid
    /// programs of the package uidmap) may map ids that are not one's own, and only from outside: a child stays behind and
    /// runs them on this process. False where they refuse: the namespace is entered, and no id is mapped yet.
    public static func enter(_ ids: SubordinateIDs) throws(SystemError) -> Bool {
        let (uid, gid) = (geteuid(), getegid())
        let (parentEnd, childEnd) = try UnixSocket.pair(.messages).release()
        defer { close(parentEnd) }
        let parent = getpid()
        let child = try check(cl_clone3(0, nil, -1), "clone3")
        if child == 0 {
            var word = [UInt8](repeating: 0, count: 1)
            // An error here is told by the exit code alone.
            _ = try? UnixSocket.receive(childEnd, into: &word)
            let done =
                run(
                    "newuidmap",
                    [
                        "\(parent)", "0", "\(uid)", "1", "1", "\(ids.users.first)",
                        "\(ids.users.count)",
                    ]
                )
                && run(
                    "newgidmap",
                    [
                        "\(parent)", "0", "\(gid)", "1", "1", "\(ids.groups.first)",
                        "\(ids.groups.count)",
                    ])
            _exit(done ? 0 : 1)
        }
        close(childEnd)
        try unshareUser()
        _ = try UnixSocket.send(parentEnd, [1])
        var result = cl_exit()
        try check(cl_wait(pid_t(child), true, &result), "wait", "newuidmap")
        return result.code == 0 && !result.signalled
    }

    /// Runs a program of the path to its end; whether it exited with 0.
    public static func run(_ program: String, _ arguments: [String]) -> Bool {
        let argv = ([program] + arguments).map { strdup($0) } + [nil]
        var pid: pid_t = 0
        guard posix_spawnp(&pid, program, nil, nil, argv, cl_environ()) == 0 else { return false }
        var result = cl_exit()
        return cl_wait(pid, true, &result) > 0 && result.code == 0 && !result.signalled
    }

    private static func write(_ path: String, _ text: String) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY)
        try Files.writeAll(file.raw, text.utf8, path)
    }
}
