internal import CLinux
internal import Glibc
internal import LinuxSystem

/// The user namespace in which an ordinary user's launcher is root, user_namespaces(7).
enum UserNamespace {
    struct Entered {
        let inUserNamespace: Bool
        let canSetGroups: Bool
    }

    /// For root this does nothing. Else: uid 0 inside is the user outside, and subordinate ids follow where the machine
    /// grants them; where it grants none, that one id is all there is.
    static func enterIfNeeded() throws(SystemError) -> Entered {
        guard geteuid() != 0 else { return Entered(inUserNamespace: false, canSetGroups: true) }
        let (uid, gid) = (geteuid(), getegid())
        if let ids = SubordinateIDs.ofThisUser() {
            if try enterThroughHelpers(ids, uid, gid) {
                return Entered(inUserNamespace: true, canSetGroups: true)
            }
        } else {
            try unshareUser()
        }
        try write("/proc/self/setgroups", "deny")
        try write("/proc/self/uid_map", "0 \(uid) 1")
        try write("/proc/self/gid_map", "0 \(gid) 1")
        return Entered(inUserNamespace: true, canSetGroups: false)
    }

    private static func unshareUser() throws(SystemError) {
        try check(
            cl_unshare(Namespace.user), "unshare(user)",
            hint:
                "unprivileged user namespaces are switched off here; ask for user.max_user_namespaces"
                + " and, on Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0")
    }

    /// Only newuidmap and newgidmap (setuid programs of the package uidmap) may map ids that are not one's own, and only
    /// from outside: a child stays behind and runs them on this process. False where they refuse: the namespace is entered,
    /// and no id is mapped yet.
    private static func enterThroughHelpers(_ ids: SubordinateIDs, _ uid: uid_t, _ gid: gid_t)
        throws(SystemError) -> Bool
    {
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
                    ["\(parent)", "0", "\(uid)", "1", "1", "\(ids.firstUID)", "\(ids.uidCount)"])
                && run(
                    "newgidmap",
                    ["\(parent)", "0", "\(gid)", "1", "1", "\(ids.firstGID)", "\(ids.gidCount)"])
            _exit(done ? 0 : 1)
        }
        close(childEnd)
        try unshareUser()
        _ = try UnixSocket.send(parentEnd, [1])
        var result = cl_exit()
        try check(cl_wait(pid_t(child), true, &result), "wait", "newuidmap")
        return result.code == 0 && !result.signalled
    }

    static func run(_ program: String, _ arguments: [String]) -> Bool {
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

/// What /etc/subuid and /etc/subgid grant this user, subuid(5).
struct SubordinateIDs {
    let firstUID: UInt32
    let uidCount: UInt32
    let firstGID: UInt32
    let gidCount: UInt32

    /// Nil where there are none, or none of the programs that could map them.
    static func ofThisUser() -> SubordinateIDs? {
        guard Files.exists("/usr/bin/newuidmap"), Files.exists("/usr/bin/newgidmap") else {
            return nil
        }
        let uid = geteuid()
        let name = accountName(of: uid)
        guard let users = range("/etc/subuid", name, uid),
            let groups = range("/etc/subgid", name, uid)
        else { return nil }
        return SubordinateIDs(
            firstUID: users.first, uidCount: users.count, firstGID: groups.first,
            gidCount: groups.count)
    }

    private static func range(_ path: String, _ name: String?, _ uid: uid_t) -> SubordinateRange? {
        // Missing file: no grant.
        guard let text = try? Files.text(path) else { return nil }
        return SubordinateRange.first(in: text, for: name, uid)
    }

    private static func accountName(of uid: uid_t) -> String? {
        // Without it ids are matched by number.
        guard let text = try? Files.text("/etc/passwd") else { return nil }
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 3, fields[2] == "\(uid)" { return String(fields[0]) }
        }
        return nil
    }
}
