internal import CLinux
internal import Glibc

/// What /etc/subuid and /etc/subgid grant this user, subuid(5). In a user namespace of theirs the user is 0, and the ids of the
/// ranges follow from 1 on.
public struct SubordinateIDs: Hashable, Sendable {
    public let users: SubordinateRange
    public let groups: SubordinateRange

    public init(users: SubordinateRange, groups: SubordinateRange) {
        self.users = users
        self.groups = groups
    }

    /// Nil where there are none, or where the programs that could map them are missing or have no power here.
    public static func ofThisUser() -> SubordinateIDs? {
        guard mayGainPrivileges, canMap("/usr/bin/newuidmap"), canMap("/usr/bin/newgidmap") else {
            return nil
        }
        let uid = geteuid()
        let name = accountName(of: uid)
        guard let users = range("/etc/subuid", name, uid),
            let groups = range("/etc/subgid", name, uid)
        else { return nil }
        return SubordinateIDs(users: users, groups: groups)
    }

    /// Whose a file is outside that is `uid`'s and `gid`'s inside; nil where an id lies beyond the ranges.
    public func outside(uid: UInt32, gid: UInt32) -> (uid: UInt32, gid: UInt32)? {
        guard uid <= users.count, gid <= groups.count else { return nil }
        return (
            uid == 0 ? geteuid() : users.first + (uid - 1),
            gid == 0 ? getegid() : groups.first + (gid - 1)
        )
    }

    /// The reverse: what is nobody's of these is root's.
    public func inside(uid: UInt32, gid: UInt32) -> (uid: UInt32, gid: UInt32) {
        (users.position(of: uid), groups.position(of: gid))
    }

    private static var mayGainPrivileges: Bool {
        // PR_GET_NO_NEW_PRIVS of linux/prctl.h: set-user-ID does nothing any more.
        cl_prctl(39, 0, 0, 0, 0) == 0
    }

    /// Set-user-ID root, or with file capabilities, and not in a mount without them.
    private static func canMap(_ program: String) -> Bool {
        var (status, mount) = (stat(), statvfs())
        guard stat(program, &status) == 0, statvfs(program, &mount) == 0 else { return false }
        let isSetUserID = status.st_mode & S_ISUID != 0 && status.st_uid == 0
        // ST_NOSUID of statvfs(3).
        return mount.f_flag & 2 == 0
            && (isSetUserID || getxattr(program, "security.capability", nil, 0) > 0)
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

extension SubordinateRange {
    /// 1 for the first id; 0 for one that lies outside.
    fileprivate func position(of id: UInt32) -> UInt32 {
        id >= first && id - first < count ? id - first + 1 : 0
    }
}
