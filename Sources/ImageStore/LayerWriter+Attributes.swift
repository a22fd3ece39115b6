internal import CLinux
internal import Glibc

extension LayerWriter {
    /// Owner, extended attributes, mode and time of an open file or directory, in the order in which none undoes another:
    /// a change of owner clears set-user-ID and file capabilities.
    func setAttributes(_ descriptor: Int32, _ entry: TarEntry) throws(LayerError) {
        if entry.uid != 0 || entry.gid != 0 {
            if form.keepsOwners {
                try Raw.check(fchown(descriptor, entry.uid, entry.gid), "chown")
            } else {
                recordOwner(descriptor, entry)
            }
        }
        for attribute in entry.attributes where isApplied(attribute.name) {
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
        try Raw.check(fchmod(descriptor, entry.mode), "chmod")
        var times = [Self.time(entry), Self.time(entry)]
        try Raw.check(futimens(descriptor, &times), "utimens")
    }

    /// Whose a file is that could not be given to anybody: for a later push, in the words of containers/storage and fuse-overlayfs,
    /// `UID:GID:MODE`. Links and pipes can have no such attribute, and every file system may refuse it.
    private func recordOwner(_ descriptor: Int32, _ entry: TarEntry) {
        let mode = String(entry.mode, radix: 8)
        let record = Array("\(entry.uid):\(entry.gid):\(mode)".utf8)
        _ = fsetxattr(descriptor, Self.ownerRecord, record, record.count, 0)
    }

    static let ownerRecord = "user.containers.override_stat"
    private static let capabilityAttribute = Array("security.capability".utf8)

    /// What a hard link's entry says is meant for the file that it shares: as Docker and podman have it, the last entry counts.
    /// Most repeat what was said before. Of a symbolic link nothing is changed.
    func setSharedAttributes(_ place: Place, _ entry: TarEntry) throws(LayerError) {
        let directory = place.parent.descriptor
        guard let status = try Raw.status(directory, place.last), !Raw.isLink(status),
            !isDescribed(status, by: entry)
        else { return }
        guard status.st_mode & S_IFMT == S_IFREG else { return try setLinkAttributes(place, entry) }
        // Its owner may not be allowed to open it.
        try Raw.check(fchmodat(directory, place.last, 0o600, 0), "chmod")
        guard let file = try Raw.open(directory, place.last, O_RDONLY) else { return }
        defer { close(file) }
        try setAttributes(file, entry)
    }

    private func isDescribed(_ status: stat, by entry: TarEntry) -> Bool {
        let isOwned =
            form.keepsOwners
            ? status.st_uid == entry.uid && status.st_gid == entry.gid
            : entry.uid == 0 && entry.gid == 0
        let time = Self.time(entry)
        return isOwned && status.st_mode & 0o7777 == entry.mode && entry.attributes.isEmpty
            && status.st_mtim.tv_sec == time.tv_sec && status.st_mtim.tv_nsec == time.tv_nsec
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

    /// What of the archive this user could not have, for people.
    var losses: [String] {
        var losses: [String] = []
        let devices = skippedDevices.map { LayerError.printable($0.bytes) }.sorted()
        if !devices.isEmpty {
            let names = devices.prefix(3).joined(separator: ", ") + (devices.count > 3 ? ", …" : "")
            losses.append(
                "without its \(devices.count) devices (\(names)): only root can make them")
        }
        if lostCapabilities > 0 {
            losses.append(
                "without the capabilities of \(lostCapabilities) files: only root can give them")
        }
        return losses
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
