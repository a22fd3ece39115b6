internal import Glibc
internal import LinuxSystem

/// What of the machine shapes a bundle's plan.
struct BundleHost: Sendable, Hashable {
    /// CAP_SYS_ADMIN and the like reach the machine itself: root, and in no user namespace.
    var isRoot: Bool
    /// The effective user is root, if only of a user namespace.
    var isNamespaceRoot: Bool
    var hasAppArmor: Bool
    var hasSELinux: Bool
    /// setgroups(2) is not denied, user_namespaces(7).
    var canSetGroups: Bool
    /// Descriptors of the caller from 3 on that the container gets.
    var preserved: UInt32 = 0
    /// The first of them.
    var listening: ListeningSockets?
    var usesPivot = true
    /// The caller wants a session keyring for the container.
    var hasKeyring = true

    init(
        isRoot: Bool, isNamespaceRoot: Bool, hasAppArmor: Bool = false, hasSELinux: Bool = false,
        canSetGroups: Bool = true
    ) {
        self.isRoot = isRoot
        self.isNamespaceRoot = isNamespaceRoot
        self.hasAppArmor = hasAppArmor
        self.hasSELinux = hasSELinux
        self.canSetGroups = canSetGroups
    }

    static func detect() -> BundleHost {
        // Missing or unreadable: the machine has no such thing.
        func text(_ path: String) -> String { (try? Files.text(path)) ?? "" }
        let map = text("/proc/self/uid_map").split(whereSeparator: \.isWhitespace)
        let isNamespaceRoot = geteuid() == 0
        return BundleHost(
            isRoot: isNamespaceRoot && map == ["0", "0", "4294967295"],
            isNamespaceRoot: isNamespaceRoot,
            hasAppArmor: text("/sys/module/apparmor/parameters/enabled").hasPrefix("Y"),
            hasSELinux: Files.exists("/sys/fs/selinux/enforce"),
            canSetGroups: !text("/proc/self/setgroups").hasPrefix("deny"))
    }
}
