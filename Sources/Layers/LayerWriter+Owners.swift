internal import Glibc
internal import LinuxSystem

// Files of subordinate ids: given away by root of the user's namespace, and by nobody else.

extension LayerWriter {
    /// Gives an open file or directory what only the namespace's root may, and with it all that the user may not any more: soon, with
    /// others. False where the rest is still the user's to do: nothing of the kind is wanted, or the owner can only be recorded.
    func giveAway(
        _ descriptor: Int32, _ entry: TarEntry,
        _ attributes: [(name: [UInt8], value: [UInt8])]
    ) throws(LayerError) -> Bool {
        guard entry.uid != 0 || entry.gid != 0 || !attributes.isEmpty else { return false }
        var gift = Gift(entry, [])
        gift.request.attributes = attributes
        if form.diskOwner(uid: entry.uid, gid: entry.gid) != nil {
            (gift.request.uid, gift.request.gid) = (entry.uid, entry.gid)
        } else {
            recordedOwners.beyond += 1
            recordOwner(descriptor, entry)
            // Capabilities are another matter.
            guard !attributes.isEmpty else { return false }
        }
        let kept = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        try Raw.check(kept, "dup")
        try give(gift, OpenDirectory(descriptor: kept, name: EntryName(components: [])))
        return true
    }

    /// The same for what cannot be opened: links and nodes.
    func giveAway(_ place: Place, _ entry: TarEntry) throws(LayerError) -> Bool {
        guard case .mapped = form, entry.uid != 0 || entry.gid != 0 else { return false }
        guard form.diskOwner(uid: entry.uid, gid: entry.gid) != nil else {
            recordedOwners.beyond += 1
            return false
        }
        var gift = Gift(entry, place.name.last)
        (gift.request.uid, gift.request.gid) = (entry.uid, entry.gid)
        try give(gift, place.parent)
        return true
    }

    private func give(_ gift: Gift, _ place: OpenDirectory) throws(LayerError) {
        gifts.append((gift, place))
        if gifts.count >= Gift.most { try giveAll() }
    }

    /// Gives what is to be given, before anything is asked of its owner or its name is another's.
    func giveAll() throws(LayerError) {
        guard !gifts.isEmpty else { return }
        let given = gifts
        gifts = []
        let answers = NamespaceRoot.shared?.ask(
            given.map { ($0.gift.request, [$0.place.descriptor]) })
        guard let answers else {
            throw LayerError(system: EIO, "ask martlet-runtime for the owner")
        }
        for (number, answer) in answers.enumerated() {
            let (gift, place) = given[number]
            do throws(LayerError) {
                try settle(gift, place.descriptor, answer.reply)
            } catch {
                throw error.at(gift.entry.path)
            }
        }
    }

    private func settle(_ gift: Gift, _ descriptor: Int32, _ reply: FileReply) throws(LayerError) {
        guard reply.isOwnerRefused else {
            guard reply.errno == 0 else { throw LayerError(system: reply.errno, "chmod") }
            let wanted = gift.request.attributes.map(\.name)
            if reply.isAttributeRefused, wanted.contains(Self.capabilityAttribute) {
                lostCapabilities += 1
            }
            return
        }
        // The file system knows no other owners, as NFS where the server does not trust this machine.
        guard [EPERM, EINVAL, ENOTSUP, EACCES].contains(reply.errno) else {
            throw LayerError(system: reply.errno, "chown")
        }
        recordedOwners.refused += 1
        var entry = gift.entry
        (entry.uid, entry.gid) = (0, 0)
        guard let name = gift.request.names.first, !name.isEmpty else {
            recordOwner(descriptor, gift.entry)
            return try setOwnAttributes(descriptor, entry, gift.request.attributes)
        }
        try setLinkAttributes(descriptor, name.cName, entry)
    }

    /// Those that take a capability, and those in which the kernel translates ids.
    func isPrivileged(_ attribute: (name: [UInt8], value: [UInt8])) -> Bool {
        !attribute.name.starts(with: "user.".utf8)
    }

    /// linkat(2); the kernel lets nobody link what he could not write to (fs.protected_hardlinks).
    static func link(_ directory: Int32, _ name: [CChar], to place: Place) -> Int32 {
        let (target, newName) = (place.parent.descriptor, place.last)
        // Flag 0: a link that is the target itself is linked, not what it points to.
        let result = linkat(directory, name, target, newName, 0)
        guard result != 0, errno == EPERM, Raw.linkAsRoot(directory, name, target, newName) else {
            return result
        }
        return 0
    }
}

/// What is to be given to somebody, and the request for it.
struct Gift {
    let entry: TarEntry
    var request: FileRequest

    init(_ entry: TarEntry, _ name: [UInt8]) {
        self.entry = entry
        request = FileRequest(.own, [name])
        request.mode = entry.kind == .symbolicLink ? nil : entry.mode
        request.modified = entry.modified
    }

    /// As many descriptors are held open.
    static let most = 32
}

/// Owners that stand in an attribute alone.
struct RecordedOwners {
    /// For ids beyond the subordinate ones.
    var beyond = 0
    /// Because the file system refuses others.
    var refused = 0

    static func + (one: RecordedOwners, other: RecordedOwners) -> RecordedOwners {
        RecordedOwners(
            beyond: one.beyond + other.beyond, refused: one.refused + other.refused)
    }

    /// For people, of a whole image.
    var notes: [String] {
        var notes: [String] = []
        if beyond > 0 {
            notes.append(
                "\(beyond) files belong to ids beyond the subordinate ones of /etc/subuid and /etc/subgid: these are root's here"
            )
        }
        if refused > 0 {
            notes.append(
                "\(refused) files belong to others, and the file system refuses that: these are root's here"
            )
        }
        return notes
    }
}

extension LayerWriter {
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
}
