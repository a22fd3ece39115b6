internal import Glibc
internal import Layers

/// What an image's layers show together, as a tree of names: built layer by layer, so that each can be asked what it changed.
final class MergedTree {
    /// Where an entry is: its layer's path, and what stands there.
    struct Entry {
        let layer: String
        let status: stat
    }
    var entry: Entry?
    private(set) var children: [[UInt8]: MergedTree] = [:]

    /// How a name differs from what was there before.
    enum Change: String, Sendable, Codable {
        case added = "A"
        case changed = "C"
        case deleted = "D"
    }
    typealias Report = (Change, [UInt8]) -> Void

    /// Lays one more layer over the tree.
    func apply(layer: String, form: OverlayForm, report: Report = { _, _ in }) throws(LayerError) {
        guard let root = try Raw.open(AT_FDCWD, Array(layer.utf8).cName, O_RDONLY | O_DIRECTORY)
        else { throw LayerError(system: ENOENT, "open") }
        defer { close(root) }
        var status = stat()
        try Raw.check(fstat(root, &status), "stat")
        let isNew = entry == nil
        entry = Entry(layer: layer, status: status)
        try merge(root, [], Source(layer: layer, form: form, isLowest: isNew), report)
    }

    private struct Source {
        let layer: String
        let form: OverlayForm
        let isLowest: Bool
    }

    /// Whether anything in it changed.
    @discardableResult
    private func merge(_ directory: Int32, _ path: [UInt8], _ source: Source, _ report: Report)
        throws(LayerError) -> Bool
    {
        let names = try DirectoryListing.names(directory, [46, 0]).sorted {
            $0.lexicographicallyPrecedes($1)
        }
        var isChanged = false
        if !source.isLowest, source.form.isOpaque(directory) {
            let kept = Set(names)
            for name in children.keys.sorted(by: { $0.lexicographicallyPrecedes($1) })
            where !kept.contains(name) {
                report(.deleted, Self.join(path, name))
                isChanged = true
            }
            let hidden = children
            children = [:]
            // What is there again is changed, not added, though nothing of what was in it shows.
            for (name, child) in hidden where kept.contains(name) {
                let bare = MergedTree()
                bare.entry = child.entry
                children[name] = bare
            }
        }
        for name in names {
            if try add(name, directory, path, source, report) { isChanged = true }
        }
        return isChanged
    }

    private func add(
        _ name: [UInt8], _ directory: Int32, _ path: [UInt8], _ source: Source, _ report: Report
    ) throws(LayerError) -> Bool {
        guard let status = try Raw.status(directory, name.cName) else { return false }
        let full = Self.join(path, name)
        if Raw.isWhiteout(status) {
            guard children.removeValue(forKey: name) != nil else { return false }
            report(.deleted, full)
            return true
        }
        let before = children[name]
        let child = before ?? MergedTree()
        let old = child.entry
        child.entry = Entry(layer: source.layer, status: status)
        children[name] = child
        guard Raw.isDirectory(status) else {
            child.children = [:]
            report(before == nil ? .added : .changed, full)
            return true
        }
        if before == nil { report(.added, full) }
        if let old, !Raw.isDirectory(old.status) { child.children = [:] }
        var later: [(Change, [UInt8])] = []
        // One that its owner may not read shows nothing to anybody.
        if let descriptor = try? Raw.open(directory, name.cName, O_RDONLY | O_DIRECTORY) {
            defer { close(descriptor) }
            try child.merge(descriptor, full, source) { later.append(($0, $1)) }
        }
        let isOwn = old.map { !Self.isAlike($0.status, status) } ?? false
        if before != nil, isOwn || !later.isEmpty { report(.changed, full) }
        for (change, name) in later { report(change, name) }
        return before == nil || isOwn || !later.isEmpty
    }

    /// What is otherwise in `other`, this being what was before.
    func compare(with other: MergedTree, _ path: [UInt8] = [], _ report: Report) {
        let names = Set(children.keys).union(other.children.keys)
        for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let full = Self.join(path, name)
            guard let mine = children[name], let theirs = other.children[name] else {
                if other.children[name] == nil {
                    report(.deleted, full)
                } else {
                    report(.added, full)
                    MergedTree().compareAll(of: other.children[name], full, report)
                }
                continue
            }
            var later: [(Change, [UInt8])] = []
            mine.compare(with: theirs, full) { later.append(($0, $1)) }
            if !later.isEmpty || mine.differs(from: theirs, full) { report(.changed, full) }
            for (change, name) in later { report(change, name) }
        }
    }

    private func compareAll(of other: MergedTree?, _ path: [UInt8], _ report: Report) {
        if let other { compare(with: other, path, report) }
    }

    private func differs(from other: MergedTree, _ path: [UInt8]) -> Bool {
        guard let mine = entry, let theirs = other.entry else { return true }
        if mine.layer == theirs.layer, mine.status.st_ino == theirs.status.st_ino { return false }
        guard Self.isAlike(mine.status, theirs.status) else { return true }
        switch mine.status.st_mode & S_IFMT {
        case S_IFREG: return mine.content(at: path) != theirs.content(at: path)
        case S_IFLNK: return mine.target(at: path) != theirs.target(at: path)
        default: return false
        }
    }

    /// Kind, mode, owner, and of files size, of devices number. Times alone make no difference.
    private static func isAlike(_ one: stat, _ other: stat) -> Bool {
        one.st_mode == other.st_mode && one.st_uid == other.st_uid && one.st_gid == other.st_gid
            && one.st_rdev == other.st_rdev
            && (one.st_mode & S_IFMT == S_IFDIR || one.st_size == other.st_size)
    }

    private static func join(_ path: [UInt8], _ name: [UInt8]) -> [UInt8] {
        path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
    }
}

extension MergedTree.Entry {
    /// Nil where it cannot be read.
    fileprivate func content(at path: [UInt8]) -> ContentSum? {
        within(path) { (root, name) throws(LayerError) in
            guard let file = try Raw.openBeneath(root, name, O_RDONLY) else { return nil }
            defer { close(file) }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
            defer { buffer.deallocate() }
            return try ContentSum.of(file, buffer)
        }
    }

    fileprivate func target(at path: [UInt8]) -> [UInt8]? {
        within(path) { (root, name) throws(LayerError) in
            guard let parent = try Raw.openBeneath(root, name.parent, Raw.openPath | O_DIRECTORY)
            else { return nil }
            defer { close(parent) }
            return try Raw.link(parent, name.last.cName)
        }
    }

    private func within<R>(
        _ path: [UInt8], _ body: (Int32, EntryName) throws(LayerError) -> R?
    ) -> R? {
        guard let root = try? Raw.open(AT_FDCWD, Array(layer.utf8).cName, O_RDONLY | O_DIRECTORY)
        else { return nil }
        defer { close(root) }
        let name = EntryName(components: path.split(separator: UInt8(ascii: "/")).map(Array.init))
        return try? body(root, name)
    }
}
