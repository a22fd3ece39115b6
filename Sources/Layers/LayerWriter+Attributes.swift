internal import CLinux
internal import Glibc

extension LayerWriter {
    /// Owner, extended attributes, mode and time of an open file or directory, in the order in which none undoes another:
    /// a change of owner clears set-user-ID and file capabilities.
    func setAttributes(_ descriptor: Int32, _ entry: TarEntry) throws(LayerError) {
        var left = entry.attributes.filter { isApplied($0.name) }
        if case .mapped = form {
            // These the namespace's root alone may give; the others take the file's owner.
            let privileged = left.filter(isPrivileged)
            left.removeAll(where: isPrivileged)
            try set(left, of: descriptor)
            if try giveAway(descriptor, entry, privileged) { return }
            left = privileged
        } else if entry.uid != 0 || entry.gid != 0 {
            if form.keepsOwners {
                try Raw.check(fchown(descriptor, entry.uid, entry.gid), "chown")
            } else {
                recordOwner(descriptor, entry)
            }
        }
        try setOwnAttributes(descriptor, entry, left)
    }

    /// What the owner of a file may set.
    func setOwnAttributes(
        _ descriptor: Int32, _ entry: TarEntry, _ attributes: [(name: [UInt8], value: [UInt8])]
    ) throws(LayerError) {
        try set(attributes, of: descriptor)
        try Raw.check(fchmod(descriptor, entry.mode), "chmod")
        var times = [Self.time(entry), Self.time(entry)]
        try Raw.check(futimens(descriptor, &times), "utimens")
    }

    private func set(_ attributes: [(name: [UInt8], value: [UInt8])], of descriptor: Int32)
        throws(LayerError)
    {
        for attribute in attributes {
            let result = attribute.value.withUnsafeBytes {
                fsetxattr(descriptor, attribute.name.cName, $0.baseAddress, $0.count, 0)
            }
            if result == 0 { continue }
            // A file system without attributes, or a user without the right, leaves the file itself good.
            guard [ENOTSUP, EPERM, EINVAL].contains(errno) else {
                throw LayerError(system: errno, "setxattr")
            }
            if attribute.name == Self.capabilityAttribute { lostCapabilities += 1 }
        }
    }

    /// Whose a file is that could not be given to anybody: for a later push, in the words of containers/storage and fuse-overlayfs,
    /// `UID:GID:MODE`. Links and pipes can have no such attribute, and every file system may refuse it.
    func recordOwner(_ descriptor: Int32, _ entry: TarEntry) {
        let mode = String(entry.mode, radix: 8)
        let record = Array("\(entry.uid):\(entry.gid):\(mode)".utf8)
        _ = fsetxattr(descriptor, Self.ownerRecord, record, record.count, 0)
    }

    static let ownerRecord = "user.containers.override_stat"
    static let capabilityAttribute = Array("security.capability".utf8)

    /// What a hard link's entry says is meant for the file that it shares: as Docker and podman have it, the last entry counts.
    /// Most repeat what was said before. Of a symbolic link nothing is changed.
    func setSharedAttributes(_ place: Place, _ entry: TarEntry) throws(LayerError) {
        try giveAll()
        let directory = place.parent.descriptor
        guard let status = try Raw.status(directory, place.last), !Raw.isLink(status),
            !isDescribed(status, by: entry)
        else { return }
        if case .mapped = form, status.st_uid != geteuid() || status.st_gid != getegid() {
            // Described anew, as if it had just been made.
            Raw.takeBack(directory, place.last)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return try setLinkAttributes(place, entry) }
        // Its owner may not be allowed to open it.
        try Raw.check(fchmodat(directory, place.last, 0o600, 0), "chmod")
        guard let file = try Raw.open(directory, place.last, O_RDONLY) else { return }
        defer { close(file) }
        try setAttributes(file, entry)
    }

    private func isDescribed(_ status: stat, by entry: TarEntry) -> Bool {
        let isOwned =
            form == .user
            ? entry.uid == 0 && entry.gid == 0
            : form.diskOwner(uid: entry.uid, gid: entry.gid).map {
                $0 == (status.st_uid, status.st_gid)
            } ?? false
        let time = Self.time(entry)
        return isOwned && status.st_mode & 0o7777 == entry.mode && entry.attributes.isEmpty
            && status.st_mtim.tv_sec == time.tv_sec && status.st_mtim.tv_nsec == time.tv_nsec
    }

    /// The same for what cannot be opened: links and nodes.
    func setLinkAttributes(_ place: Place, _ entry: TarEntry) throws(LayerError) {
        if try giveAway(place, entry) { return }
        try setLinkAttributes(place.parent.descriptor, place.last, entry)
    }

    func setLinkAttributes(_ directory: Int32, _ name: [CChar], _ entry: TarEntry)
        throws(LayerError)
    {
        if form == .trusted, entry.uid != 0 || entry.gid != 0 {
            try Raw.check(
                fchownat(directory, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW), "chown")
        }
        if entry.kind != .symbolicLink {
            // It was made this instant in a directory of ours alone, and is no link.
            try Raw.check(fchmodat(directory, name, entry.mode, 0), "chmod")
        }
        var times = [Self.time(entry), Self.time(entry)]
        try Raw.check(utimensat(directory, name, &times, AT_SYMLINK_NOFOLLOW), "utimens")
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
