internal import CLinux
internal import Glibc

/// Writes the entries of one layer beneath a staging directory, in overlay form.
///
/// Every name is resolved by descriptor beneath the root, and no link is ever followed by the kernel: links in the middle of
/// a path are walked here, with the root as their `/`. Whiteouts and the attributes of directories are kept until `finish`, so
/// that the order of entries does not matter. Used by one thread; nobody else may write to the directory.
final class LayerWriter {
    let root: OpenDirectory
    let form: OverlayForm
    /// Directories that the archive implies but does not describe.
    var implied: Set<EntryName> = []
    /// Hard links whose target this layer does not have.
    var lowerLinks: [(name: EntryName, target: EntryName)] = []
    private(set) var whiteouts: Set<EntryName> = []
    private(set) var opaque: Set<EntryName> = []
    /// Whiteouts that were written, by real name.
    var madeWhiteouts: [EntryName] = []
    /// What the archive says of directories, applied at the end: writing into them would change their times, and a
    /// read-only one could not be written into.
    private(set) var directories: [EntryName: TarEntry] = [:]
    /// Bytes of attributes in `directories`: they are kept in memory.
    private var heldBytes = 0
    private static let heldLimit = 64 << 20
    private var open: [EntryName: OpenDirectory] = [:]
    /// Bytes that may still be copied from the layers below.
    var copyAllowance: Int64
    /// What was written, for the layer's list.
    var sums = ContentSums()

    /// Takes over the descriptor of an empty directory.
    init(root descriptor: Int32, form: OverlayForm, limits: LayerLimits) {
        copyAllowance = limits.bytes
        root = OpenDirectory(descriptor: descriptor, name: EntryName(components: []))
        self.form = form
        implied = [root.name]
    }

    /// Writes one entry, with its content from `reader`.
    func add(_ entry: TarEntry, from reader: TarReader) throws(LayerError) {
        do throws(LayerError) {
            let name = try EntryName(entry.path)
            if name.isRoot { return try addRoot(entry) }
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
        heldBytes += entry.attributes.reduce(0) { $0 + $1.name.count + $1.value.count }
        guard heldBytes <= Self.heldLimit else {
            throw LayerError(
                .hostile, "directories with more than \(Self.heldLimit) bytes of attributes")
        }
        directories[name] = entry
        implied.remove(name)
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
        guard let parent = try existingDirectory(target.parent),
            let status = try Raw.status(parent.descriptor, target.last.cName),
            !Raw.isWhiteout(status)
        else {
            lowerLinks.append((place.name, target))
            return
        }
        guard !Raw.isDirectory(status) else {
            throw LayerError(.hostile, "a hard link to a directory")
        }
        if parent.name.child(target.last) == place.name { return }
        // Flag 0: a link that is the target itself is linked, not what it points to.
        try creating(place) {
            linkat(parent.descriptor, target.last.cName, place.parent.descriptor, $0, 0)
        }
    }

    private func addNode(_ entry: TarEntry, _ place: Place) throws(LayerError) {
        if entry.kind == .fifo {
            try creating(place) { mkfifoat(place.parent.descriptor, $0, 0o600) }
        } else {
            // Nobody but root may make devices; containers get their own /dev.
            guard form.keepsOwners else { return }
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

    /// Makes something new at a place; what is there already is removed first, and never followed.
    private func creating(_ place: Place, _ make: ([CChar]) -> Int32) throws(LayerError) {
        let name = place.last
        if make(name) >= 0 { return }
        guard errno == EEXIST else { throw LayerError(system: errno, "create") }
        try remove(place)
        try Raw.check(make(name), "create")
    }

    /// Removes what an earlier entry of this layer made, and forgets what was to be done with it.
    func remove(_ place: Place) throws(LayerError) {
        try TreeRemoval.remove(place.parent.descriptor, place.last)
        open = [:]
        implied = implied.filter { !$0.begins(with: place.name) }
        directories = directories.filter { !$0.key.begins(with: place.name) }
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

    // MARK: The end

    /// Writes what had to wait: whiteouts, opaque marks, and the attributes of directories, the deepest first.
    /// Afterwards the layer is as it will be mounted, but for what `settle` does. In the lowest layer nothing is to be
    /// hidden, and a whiteout would show up in listings.
    func finish(isLowest: Bool) throws(LayerError) {
        if !isLowest {
            try writeWhiteouts()
            for name in opaque { try markOpaque(name) }
        }
        try setImpliedTimes()
        open = [:]
        let deepestFirst = directories.sorted { $0.key.components.count > $1.key.components.count }
        for (name, entry) in deepestFirst {
            guard
                let descriptor = try Raw.openBeneath(root.descriptor, name, O_RDONLY | O_DIRECTORY)
            else { continue }
            defer { close(descriptor) }
            do throws(LayerError) {
                try setAttributes(descriptor, entry)
            } catch {
                throw error.at(entry.path)
            }
        }
    }

    /// Nobody said when they were made: the same each time.
    private func setImpliedTimes() throws(LayerError) {
        for name in implied {
            guard
                let descriptor = try Raw.openBeneath(root.descriptor, name, O_RDONLY | O_DIRECTORY)
            else { continue }
            defer { close(descriptor) }
            try Raw.check(fchmod(descriptor, 0o755), "chmod")
            var times = [timespec(), timespec()]
            try Raw.check(futimens(descriptor, &times), "utimens")
        }
    }

    private func writeWhiteouts() throws(LayerError) {
        // Parents first: a whiteout below one that is itself hidden means nothing more.
        for name in whiteouts.sorted(by: { $0.components.count < $1.components.count }) {
            do throws(LayerError) {
                guard let parent = try whiteoutParent(name.parent) else { continue }
                // An opaque directory hides all; a whiteout in it would show up in listings.
                if opaque.contains(parent.name) { continue }
                let real = parent.name.child(name.last)
                let last = name.last.cName
                guard let existing = try Raw.status(parent.descriptor, last) else {
                    try makeWhiteout(parent.descriptor, last)
                    madeWhiteouts.append(real)
                    continue
                }
                // What this layer has there survives; a directory must not merge with the hidden one.
                if Raw.isDirectory(existing) {
                    opaque.insert(real)
                    implied.remove(real)
                }
            } catch {
                throw error.at(name.bytes)
            }
        }
    }

    /// The directory to hide something in; nil where a whiteout of this layer hides it already.
    private func whiteoutParent(_ name: EntryName) throws(LayerError) -> OpenDirectory? {
        for depth in 0..<name.components.count {
            let ancestor = EntryName(components: Array(name.components[...depth]))
            guard whiteouts.contains(ancestor), let parent = try existingDirectory(ancestor.parent),
                let status = try Raw.status(parent.descriptor, ancestor.last.cName)
            else { continue }
            if Raw.isWhiteout(status) { return nil }
        }
        return try directory(name)
    }

    private func makeWhiteout(_ directory: Int32, _ name: [CChar]) throws(LayerError) {
        let result = cl_mknodat(directory, name, S_IFCHR, 0, 0)
        guard result >= 0 else { throw LayerError(system: -result, "mknod whiteout") }
    }

    func markOpaque(_ name: EntryName) throws(LayerError) {
        let directory = try directory(name)
        guard
            let descriptor = try Raw.openBeneath(
                root.descriptor, directory.name, O_RDONLY | O_DIRECTORY)
        else { return }
        defer { close(descriptor) }
        try Raw.check(fsetxattr(descriptor, form.opaqueAttribute, "y", 1, 0), "set opaque")
    }
}
