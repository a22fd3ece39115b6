internal import CLinux
internal import Glibc

/// Writes the entries of one layer beneath a staging directory, in overlay form.
///
/// Every name is resolved by descriptor beneath the root, and no link is ever followed by the kernel: links in the middle of
/// a path are walked here, with the root as their `/`. Whiteouts and the attributes of directories are kept until `finish`, so
/// that the order of entries does not matter. Used by one thread; nobody else may write to the directory.
package final class LayerWriter {
    let root: OpenDirectory
    let form: OverlayForm
    /// Directories that the archive implies but does not describe.
    var implied: Set<EntryName> = []
    /// Hard links whose target this layer did not have when they came, by their own names.
    var lowerLinks: [EntryName: LowerLink] = [:]
    /// Devices that were not made.
    private(set) var skippedDevices: Set<EntryName> = []
    /// Files whose capabilities could not be set.
    var lostCapabilities = 0
    var recordedOwners = RecordedOwners()
    /// What is to be given to others, each with what it is open on or lies in.
    var gifts: [(gift: Gift, place: OpenDirectory)] = []
    private(set) var whiteouts: Set<EntryName> = []
    var opaque: Set<EntryName> = []
    /// Whiteouts that were written, by real name.
    var madeWhiteouts: [EntryName] = []
    /// What the archive says of directories, applied at the end: writing into them would change their times, and a
    /// read-only one could not be written into.
    var directories: [EntryName: TarEntry] = [:]
    /// Bytes of attributes in `directories`: they are kept in memory.
    private var heldBytes = 0
    private static let heldLimit = 64 << 20
    private var open: [EntryName: OpenDirectory] = [:]
    /// Bytes that may still be copied from the layers below.
    var copyAllowance: Int64
    /// What was written, for the layer's list.
    package var sums = ContentSums()

    /// Directories that may still be looked through when others are removed: an archive that replaces one again and again
    /// would take hours.
    private var forgetAllowance: Int

    /// Takes over the descriptor of an empty directory.
    init(root descriptor: Int32, form: OverlayForm, limits: LayerLimits) {
        copyAllowance = limits.bytes
        forgetAllowance = 20 * limits.entries
        root = OpenDirectory(descriptor: descriptor, name: EntryName(components: []))
        self.form = form
        implied = [root.name]
    }

    /// Writes one entry, with its content from `reader`.
    func add(_ entry: TarEntry, from reader: TarReader) throws(LayerError) {
        do throws(LayerError) {
            let name = try EntryName(entry.path)
            if name.isRoot { return try addRoot(entry) }
            if try isLeftover(name) { return }
            if let whiteout = try Whiteout(name.last) { return try add(whiteout, in: name.parent) }
            let parent = try directory(name.parent)
            let place = Place(parent: parent, name: parent.name.child(name.last))
            switch entry.kind {
            case .file: try addFile(entry, place, reader)
            case .directory: try addDirectory(entry, place)
            case .symbolicLink: try addSymbolicLink(entry, place)
            case .hardLink: try addHardLink(entry, place)
            case .fifo, .characterDevice, .blockDevice: try addNode(entry, place)
            }
        } catch {
            throw error.at(entry.path)
        }
    }

    /// Whether an entry lies in one of AUFS's own directories. The files of one of them may be what hard links mean, and stay
    /// until the end.
    private func isLeftover(_ name: EntryName) throws(LayerError) -> Bool {
        for part in name.components.dropLast() {
            switch try Whiteout(part) {
            case nil: continue
            case .leftover:
                let isFile = try Whiteout(name.last) == nil
                return !isFile || name.components.dropLast() != [Whiteout.linkDirectory]
            case .of, .opaque: throw LayerError(.hostile, "it lies below a whiteout")
            }
        }
        return false
    }

    /// Where an entry goes: its open parent and its real name.
    struct Place {
        let parent: OpenDirectory
        let name: EntryName
        var last: [CChar] { name.last.cName }
    }

    private func addRoot(_ entry: TarEntry) throws(LayerError) {
        guard entry.kind == .directory else {
            throw LayerError(.hostile, "the root of a layer must be a directory")
        }
        try describe(root.name, entry)
    }

    private func add(_ whiteout: Whiteout, in parent: EntryName) throws(LayerError) {
        switch whiteout {
        case .of(let hidden): whiteouts.insert(parent.child(hidden))
        case .opaque: opaque.insert(parent)
        case .leftover: break
        }
    }

    func describe(_ name: EntryName, _ entry: TarEntry) throws(LayerError) {
        try hold(entry)
        directories[name] = entry
        implied.remove(name)
    }

    /// Counts what is kept of an entry until the end.
    private func hold(_ entry: TarEntry) throws(LayerError) {
        heldBytes += entry.attributes.reduce(0) { $0 + $1.name.count + $1.value.count }
        guard heldBytes <= Self.heldLimit else {
            throw LayerError(
                .hostile, "directories with more than \(Self.heldLimit) bytes of attributes")
        }
    }

    private func addFile(_ entry: TarEntry, _ place: Place, _ reader: TarReader) throws(LayerError)
    {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        var file: Int32 = -1
        try creating(place) {
            file = openat(place.parent.descriptor, $0, flags, 0o600)
            return file
        }
        defer { close(file) }
        var sum = ContentSum()
        if let map = entry.sparse {
            try writeSparse(file, map, reader)
        } else {
            while true {
                let bytes = try reader.content(1 << 20)
                if bytes.isEmpty { break }
                try Raw.writeAll(file, bytes)
                sum.add(bytes)
            }
        }
        try setAttributes(file, entry)
        let isPlain = entry.sparse == nil && entry.attributes.isEmpty
        try sums.note(file, isPlain ? sum : nil)
    }

    private func writeSparse(_ file: Int32, _ map: SparseMap, _ reader: TarReader)
        throws(LayerError)
    {
        for region in map.regions {
            try Raw.check(Int32(clamping: lseek(file, off_t(region.offset), SEEK_SET)), "lseek")
            var left = region.length
            while left > 0 {
                let bytes = try reader.content(Int(min(left, 1 << 20)))
                guard !bytes.isEmpty else {
                    throw LayerError(.corrupt, "a sparse file without its content")
                }
                try Raw.writeAll(file, bytes)
                left -= Int64(bytes.count)
            }
        }
        try Raw.check(ftruncate(file, off_t(map.length)), "truncate")
    }

    private func addDirectory(_ entry: TarEntry, _ place: Place) throws(LayerError) {
        lowerLinks[place.name] = nil
        // 0700 until the end, whatever the archive says.
        if mkdirat(place.parent.descriptor, place.last, 0o700) != 0 {
            guard errno == EEXIST else { throw LayerError(system: errno, "mkdir") }
            let existing = try Raw.status(place.parent.descriptor, place.last)
            if let existing, !Raw.isDirectory(existing) {
                try remove(place)
                try Raw.check(mkdirat(place.parent.descriptor, place.last, 0o700), "mkdir")
            }
        }
        try describe(place.name, entry)
    }

    private func addSymbolicLink(_ entry: TarEntry, _ place: Place) throws(LayerError) {
        guard !entry.link.isEmpty, entry.link.count < EntryName.limit, !entry.link.contains(0)
        else {
            throw LayerError(.corrupt, "a symbolic link to nothing")
        }
        let target = entry.link.cName
        try creating(place) { symlinkat(target, place.parent.descriptor, $0) }
        try setLinkAttributes(place, entry)
    }

    private func addHardLink(_ entry: TarEntry, _ place: Place) throws(LayerError) {
        let target: EntryName
        do throws(LayerError) {
            target = try EntryName(entry.link)
        } catch {
            throw LayerError(error.kind, "its target: \(error.reason)")
        }
        guard !target.isRoot else { throw LayerError(.hostile, "a hard link to the root") }
        let parent = try existingDirectory(target.parent)
        let real = parent.map { $0.name.child(target.last) } ?? target
        guard let parent, let status = try Raw.status(parent.descriptor, target.last.cName) else {
            return try addLowerLink(entry, place, real)
        }
        guard !Raw.isDirectory(status) else {
            throw LayerError(.hostile, "a hard link to a directory")
        }
        if real != place.name {
            try creating(place) { _ in
                Self.link(parent.descriptor, target.last.cName, to: place)
            }
        }
        try setSharedAttributes(place, entry)
    }

    private func addLowerLink(_ entry: TarEntry, _ place: Place, _ target: EntryName)
        throws(LayerError)
    {
        if skippedDevices.contains(target) {
            skippedDevices.insert(place.name)
            return
        }
        try hold(entry)
        if try Raw.status(place.parent.descriptor, place.last) != nil { try remove(place) }
        lowerLinks[place.name] = LowerLink(
            target: lowerLinks[target]?.target ?? target, entry: entry)
    }

    private func addNode(_ entry: TarEntry, _ place: Place) throws(LayerError) {
        if entry.kind == .fifo {
            try creating(place) { mkfifoat(place.parent.descriptor, $0, 0o600) }
        } else {
            guard form.makesDevices else { return try skipDevice(place) }
            guard entry.device != (0, 0) else {
                throw LayerError(.hostile, "a device 0:0, which would hide files of other layers")
            }
            let type = entry.kind == .characterDevice ? S_IFCHR : S_IFBLK
            try creating(place) { name in
                let result = cl_mknodat(
                    place.parent.descriptor, name, type | 0o600, entry.device.major,
                    entry.device.minor)
                if result < 0 { errno = -result }
                return result
            }
        }
        try setLinkAttributes(place, entry)
    }

    /// What it would have replaced is not to be seen either.
    private func skipDevice(_ place: Place) throws(LayerError) {
        lowerLinks[place.name] = nil
        if try Raw.status(place.parent.descriptor, place.last) != nil { try remove(place) }
        skippedDevices.insert(place.name)
        whiteouts.insert(place.name)
    }

    /// Makes something new at a place; what is there already is removed first, and never followed.
    private func creating(_ place: Place, _ make: ([CChar]) -> Int32) throws(LayerError) {
        let name = place.last
        lowerLinks[place.name] = nil
        if make(name) >= 0 { return }
        guard errno == EEXIST else { throw LayerError(system: errno, "create") }
        try remove(place)
        try Raw.check(make(name), "create")
    }

    /// Removes what an earlier entry of this layer made, and forgets what was to be done with it.
    func remove(_ place: Place) throws(LayerError) {
        try giveAll()
        // A link among them may have led to any.
        open = [:]
        guard try TreeRemoval.remove(place.parent.descriptor, place.last) else { return }
        forgetAllowance -= implied.count + directories.count + lowerLinks.count
        guard forgetAllowance >= 0 else {
            throw LayerError(.hostile, "the layer replaces its directories again and again")
        }
        implied = implied.filter { !$0.begins(with: place.name) }
        directories = directories.filter { !$0.key.begins(with: place.name) }
        lowerLinks = lowerLinks.filter { !$0.key.begins(with: place.name) }
    }

    // MARK: Directories

    /// The open directory of a path, made where it is missing.
    func directory(_ name: EntryName) throws(LayerError) -> OpenDirectory {
        if name.isRoot { return root }
        if let known = open[name] { return known }
        if open.count >= 64 { open = [:] }
        let found: OpenDirectory
        if let descriptor = try Raw.openBeneath(root.descriptor, name, Raw.openPath | O_DIRECTORY) {
            found = OpenDirectory(descriptor: descriptor, name: name)
        } else {
            var walk = PathWalk(self, makes: true)
            guard let walked = try walk.run(name) else {
                throw LayerError(.corrupt, "its directory cannot be made")
            }
            found = walked
        }
        open[name] = found
        return found
    }

    /// The same where it exists; nil where it does not, in this layer.
    func existingDirectory(_ name: EntryName) throws(LayerError) -> OpenDirectory? {
        if name.isRoot { return root }
        if let known = open[name] { return known }
        if let descriptor = try Raw.openBeneath(root.descriptor, name, Raw.openPath | O_DIRECTORY) {
            return OpenDirectory(descriptor: descriptor, name: name)
        }
        var walk = PathWalk(self, makes: false)
        return try walk.run(name)
    }

    /// Call after directories have moved.
    func forgetOpenDirectories() { open = [:] }
}
