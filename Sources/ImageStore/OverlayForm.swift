internal import CLinux
internal import Glibc
internal import LinuxSystem

/// How deletions are marked in a layer: what the kernel believes depends on who mounts (overlayfs.rst, "User xattr").
public enum OverlayForm: String, Sendable, Codable {
    /// `trusted.overlay.*`, owners and devices kept: uid 0 with CAP_SYS_ADMIN.
    case trusted
    /// `user.overlay.*` (mounted with `userxattr` in a user namespace): everything owned by the user, no devices.
    case user

    /// What this process can write and its containers can mount.
    public static var current: OverlayForm { geteuid() == 0 && hasSysAdmin ? .trusted : .user }

    var opaqueAttribute: String {
        self == .trusted ? "trusted.overlay.opaque" : "user.overlay.opaque"
    }
    /// Whether an open directory hides everything below it.
    func isOpaque(_ directory: Int32) -> Bool {
        var value: UInt8 = 0
        return fgetxattr(directory, opaqueAttribute, &value, 1) == 1 && value == UInt8(ascii: "y")
    }
    var keepsOwners: Bool { self == .trusted }

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
