internal import Glibc
internal import LinuxSystem

/// Who the task is, by the container's own files. Parsed here: NSS would load libraries out of the image (CVE-2019-14271).
struct UserLookup {
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    var groups: [UInt32] = []
    var home = "/"

    /// `text` as in the OCI image configuration: `user`, `uid`, `user:group`, `uid:gid`; `root` is the container's `/`.
    init(_ text: String, root: Int32) throws(SystemError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let user = parts.first.map(String.init) ?? ""
        let accounts = Self.lines("/etc/passwd", root)
        let wanted = user.isEmpty ? "0" : user
        // passwd(5): name:password:uid:gid:comment:home:shell
        let number = Self.number(wanted)
        let account = accounts.first { fields in
            fields.count >= 6
                && (fields[0] == wanted || (number != nil && Self.number(fields[2]) == number))
        }
        if let account, let uid = Self.number(account[2]), let gid = Self.number(account[3]) {
            self.uid = uid
            self.gid = gid
            home = account[5].isEmpty ? "/" : account[5]
        } else if let number {
            uid = number
        } else {
            throw SystemError(
                "find user", wanted, errno: ENOENT,
                hint: "the image's /etc/passwd does not name it; give a number")
        }
        let memberships = Self.lines("/etc/group", root)
        if parts.count == 2 {
            let group = String(parts[1])
            // group(5): name:password:gid:members
            let entry = memberships.first { $0.count >= 3 && $0[0] == group }
            guard let gid = Self.number(group) ?? entry.flatMap({ Self.number($0[2]) }) else {
                throw SystemError(
                    "find group", group, errno: ENOENT,
                    hint: "the image's /etc/group does not name it; give a number")
            }
            self.gid = gid
        } else if let name = account?[0] {
            groups = memberships.compactMap { fields in
                fields.count >= 4 && fields[3].split(separator: ",").contains { $0 == name }
                    ? Self.number(fields[2]) : nil
            }
        }
    }

    /// Digits only, so that nothing else can be taken for an id (CVE-2026-30892); and not the largest, which setresuid(2)
    /// takes for "leave it as it is", and that is root.
    private static func number(_ text: String) -> UInt32? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return UInt32(text).flatMap { $0 == .max ? nil : $0 }
    }

    /// A missing or unreadable file has no lines: images without accounts are common.
    private static func lines(_ path: String, _ root: Int32) -> [[String]] {
        guard let file = try? RootedPath.open(root: root, path, O_RDONLY | O_NONBLOCK),
            let bytes = try? Files.read(file.raw, path)
        else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }
}
