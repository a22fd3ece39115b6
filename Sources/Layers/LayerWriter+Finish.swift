internal import CLinux
internal import Glibc

// What waits until the whole archive was read, so that the order of its entries does not matter.

extension LayerWriter {
    /// Writes what had to wait: whiteouts and opaque marks. In the lowest layer nothing is to be hidden, and a whiteout would
    /// show up in listings. Afterwards the layer is as it will be mounted, but for what `settle` does.
    func finish(isLowest: Bool) throws(LayerError) {
        try giveAll()
        try removeLinkDirectory()
        var severed: Set<EntryName> = []
        if !isLowest {
            try resolveOpaque()
            try writeWhiteouts(&severed)
            for name in opaque { try markOpaque(name) }
        }
        for name in implied { try describeImplied(name) }
        // Nothing of what lies below is theirs.
        implied.subtract(severed)
        forgetOpenDirectories()
        if !needsSettling { try describeDirectories() }
    }

    /// Whether `settle` may change directories' contents: their attributes come after that.
    var needsSettling: Bool {
        !lowerLinks.isEmpty || !madeWhiteouts.isEmpty || implied.contains { !$0.isRoot }
    }

    private func removeLinkDirectory() throws(LayerError) {
        let name = root.name.child(Whiteout.linkDirectory)
        guard implied.contains(name) else { return }
        try remove(Place(parent: root, name: name))
    }

    /// Sets what the archive says of directories, the deepest first.
    func describeDirectories() throws(LayerError) {
        let deepestFirst = directories.sorted { $0.key.components.count > $1.key.components.count }
        for (name, entry) in deepestFirst { try apply(entry, to: name) }
        try giveAll()
    }

    func apply(_ entry: TarEntry, to name: EntryName) throws(LayerError) {
        guard let descriptor = try Raw.openBeneath(root.descriptor, name, O_RDONLY | O_DIRECTORY)
        else { return }
        defer { close(descriptor) }
        do throws(LayerError) {
            try setAttributes(descriptor, entry)
        } catch {
            throw error.at(entry.path)
        }
    }

    /// Nobody said when it was made: the same each time.
    func describeImplied(_ name: EntryName) throws(LayerError) {
        guard let descriptor = try Raw.openBeneath(root.descriptor, name, O_RDONLY | O_DIRECTORY)
        else { return }
        defer { close(descriptor) }
        try Raw.check(fchmod(descriptor, 0o755), "chmod")
        var times = [timespec(), timespec()]
        try Raw.check(futimens(descriptor, &times), "utimens")
    }

    /// Directories that hide all below them, by their real names.
    private func resolveOpaque() throws(LayerError) {
        let names = opaque
        opaque = []
        for name in names {
            if let directory = try directoryUnlessBlocked(name) { opaque.insert(directory.name) }
        }
    }

    /// The directory of a path, made where it is missing; nil where this layer has something else in the path, which hides all
    /// that lies below already.
    func directoryUnlessBlocked(_ name: EntryName) throws(LayerError) -> OpenDirectory? {
        if let there = try existingDirectory(name) { return there }
        var walk = PathWalk(self, makes: false)
        _ = try walk.run(name)
        return walk.isBlocked ? nil : try directory(name)
    }

    /// `severed` gets implied directories in the place of hidden ones.
    private func writeWhiteouts(_ severed: inout Set<EntryName>) throws(LayerError) {
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
                    severed.insert(real)
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
        return try directoryUnlessBlocked(name)
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
