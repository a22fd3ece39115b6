internal import CLinux
internal import Glibc

extension LayerWriter {
    /// Owner, extended attributes, mode and time of an open file or directory, in the order in which none undoes another:
    /// a change of owner clears set-user-ID and file capabilities.
    func setAttributes(_ descriptor: Int32, _ entry: TarEntry) throws(LayerError) {
        if form.keepsOwners, entry.uid != 0 || entry.gid != 0 {
            try Raw.check(fchown(descriptor, entry.uid, entry.gid), "chown")
        }
        for attribute in entry.attributes where isApplied(attribute.name) {
            let result = attribute.value.withUnsafeBytes {
                fsetxattr(descriptor, attribute.name.cName, $0.baseAddress, $0.count, 0)
            }
            // A file system without attributes, or a user without the right, leaves the file itself good.
            guard result == 0 || [ENOTSUP, EPERM, EINVAL].contains(errno) else {
                throw LayerError(system: errno, "setxattr")
            }
        }
        try Raw.check(fchmod(descriptor, entry.mode), "chmod")
        var times = [Self.time(entry), Self.time(entry)]
        try Raw.check(futimens(descriptor, &times), "utimens")
    }

    /// The same for what cannot be opened: links and nodes.
    func setLinkAttributes(_ place: Place, _ entry: TarEntry) throws(LayerError) {
        let directory = place.parent.descriptor
        if form.keepsOwners, entry.uid != 0 || entry.gid != 0 {
            try Raw.check(
                fchownat(directory, place.last, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW), "chown")
        }
        if entry.kind != .symbolicLink {
            // It was made this instant in a directory of ours alone, and is no link.
            try Raw.check(fchmodat(directory, place.last, entry.mode, 0), "chmod")
        }
        var times = [Self.time(entry), Self.time(entry)]
        try Raw.check(utimensat(directory, place.last, &times, AT_SYMLINK_NOFOLLOW), "utimens")
    }

    static func time(_ entry: TarEntry) -> timespec {
        timespec(tv_sec: Int(entry.modified.seconds), tv_nsec: Int(entry.modified.nanoseconds))
    }

    /// Attributes that an image may bring: its users' own and file capabilities, and where owners are kept access lists.
    /// Never those by which the kernel steers overlays, nor labels of another machine's policy.
    func isApplied(_ name: [UInt8]) -> Bool {
        let name = String(decoding: name, as: UTF8.self)
        if name.hasPrefix("user.") {
            return !name.hasPrefix("user.overlay.") && !name.hasPrefix("user.containers.")
        }
        if name == "security.capability" { return true }
        return form.keepsOwners && name.hasPrefix("system.posix_acl_")
    }
}
