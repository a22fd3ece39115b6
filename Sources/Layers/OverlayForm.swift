internal import CLinux
package import Glibc
public import LinuxSystem

/// How deletions are marked in a layer, and owners kept: what the kernel believes depends on who mounts (overlayfs.rst, "User
/// xattr").
public enum OverlayForm: Sendable, Hashable {
    /// `trusted.overlay.*`, owners and devices kept: uid 0 with CAP_SYS_ADMIN over the whole machine.
    case trusted
    /// `user.overlay.*` (mounted with `userxattr` in a user namespace): everything owned by the user, no devices.
    case user
    /// The same, with owners kept as subordinate ids.
    case mapped(SubordinateIDs)

    /// What this process can write and its containers can mount.
    public static var current: OverlayForm {
        guard basis != .trusted, let root = NamespaceRoot.shared, root.isGranted else {
            return basis == .trusted ? .trusted : .user
        }
        return .mapped(root.ids)
    }

    private static let basis: OverlayForm =
        geteuid() == 0 && hasSysAdmin && UserNamespace.isInitial ? .trusted : .user

    var opaqueAttribute: String {
        self == .trusted ? "trusted.overlay.opaque" : "user.overlay.opaque"
    }
    /// Whether an open directory hides everything below it.
    package func isOpaque(_ directory: Int32) -> Bool {
        var value: [UInt8] = [0]
        return Raw.attribute(directory, Array(opaqueAttribute.utf8).cName, into: &value) == 1
            && value == [UInt8(ascii: "y")]
    }
    var keepsOwners: Bool { self != .user }
    /// Nobody but root may make devices; containers get their own /dev.
    var makesDevices: Bool { self == .trusted }
    /// Whether whoever has these layers can read all that is in them.
    var readsAll: Bool { self != .user }

    /// Whose a file is on the disk that is `uid`'s and `gid`'s in the image; nil where it cannot be theirs.
    func diskOwner(uid: UInt32, gid: UInt32) -> (uid: UInt32, gid: UInt32)? {
        switch self {
        case .trusted: (uid, gid)
        case .user: uid == 0 && gid == 0 ? (geteuid(), getegid()) : nil
        case .mapped(let ids): ids.outside(uid: uid, gid: gid)
        }
    }

    /// The reverse; what an attribute records is another matter.
    package func imageOwner(_ status: stat) -> (uid: UInt32, gid: UInt32) {
        switch self {
        case .trusted: (status.st_uid, status.st_gid)
        case .user: (0, 0)
        case .mapped(let ids): ids.inside(uid: status.st_uid, gid: status.st_gid)
        }
    }

    /// CapEff of capabilities(7); CAP_SYS_ADMIN is bit 21.
    private static var hasSysAdmin: Bool {
        // Without /proc nothing can be mounted either.
        guard let status = try? Files.text("/proc/self/status"),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapEff:") }),
            let mask = UInt64(line.dropFirst(7).filter { !$0.isWhitespace }, radix: 16)
        else { return false }
        return mask & (1 << 21) != 0
    }
}
