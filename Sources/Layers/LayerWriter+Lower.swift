internal import CLinux
internal import Glibc

// What one layer cannot say alone. Merged extraction, as Docker and umoci do it, writes into the lower layers' directories;
// an overlay shows the upper directory's own attributes. So directories that the archive only implies take theirs from
// below, one that is a link below is written through, and hard links to lower files get a copy to link to.

extension LayerWriter {
    /// Settles what depends on the layers below; true where the result holds for these alone, false where the layer would
    /// be the same above any others. Call after `finish`.
    package func settle(on lower: LowerTree?) throws(LayerError) -> Bool {
        guard let lower else {
            if let link = lowerLinks.first { throw Self.missingTarget(link.key, link.value) }
            if needsSettling { try describeDirectories() }
            return !whiteouts.isEmpty || !opaque.isEmpty || implied.contains { !$0.isRoot }
        }
        let isUnsettled = needsSettling
        try copyUp(from: lower)
        try giveAll()
        try writeThroughLinks(lower)
        try removeIdleWhiteouts(lower)
        let isAdapted = try describeDirectories(isUnsettled, lower)
        // A whiteout would show up above a layer that has no such directory.
        return isUnsettled || isAdapted
    }

    /// Sets what had to wait until nothing moves any more, the deepest first. True where the root took something from below.
    private func describeDirectories(_ isUnsettled: Bool, _ lower: LowerTree) throws(LayerError)
        -> Bool
    {
        var isAdapted = false
        let names = isUnsettled ? implied.union(directories.keys) : implied
        for name in names.sorted(by: { $0.components.count > $1.components.count }) {
            if let entry = directories[name] {
                try apply(entry, to: name)
                continue
            }
            guard let found = try lower.find(name), Raw.isDirectory(found.status) else {
                try describeImplied(name)
                continue
            }
            if name.isRoot, found.status.st_mode & 0o7777 == 0o755, found.status.st_uid == geteuid()
            {
                continue
            }
            isAdapted = true
            try copyAttributes(from: found, to: name)
        }
        try giveAll()
        return isAdapted
    }

    /// Those that hide nothing would show up in listings of a directory that only this layer has.
    private func removeIdleWhiteouts(_ lower: LowerTree) throws(LayerError) {
        for name in madeWhiteouts {
            let parent = try lower.find(name.parent)
            if let parent, Raw.isDirectory(parent.status) { continue }
            try removeWhiteout(name)
        }
    }

    private func removeWhiteout(_ name: EntryName) throws(LayerError) {
        guard
            let parent = try Raw.openBeneath(
                root.descriptor, name.parent, Raw.openPath | O_DIRECTORY)
        else { return }
        defer { close(parent) }
        // What was written through a link may have taken its place.
        guard let status = try Raw.status(parent, name.last.cName), Raw.isWhiteout(status) else {
            return
        }
        try Raw.check(unlinkat(parent, name.last.cName, 0), "remove whiteout")
    }

    private static func missingTarget(_ name: EntryName, _ link: LowerLink) -> LayerError {
        LayerError(
            .corrupt,
            "a hard link to \"\(LayerError.printable(link.target.bytes))\", which does not exist",
            entry: name.bytes)
    }

    /// Makes the hard links to lower files. A copy takes the place of its target, so that both names still share one file, unless
    /// this layer hides or replaces the target.
    private func copyUp(from lower: LowerTree) throws(LayerError) {
        /// Where the copies of targets are.
        var copies: [EntryName: Place] = [:]
        let links = lowerLinks.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }
        for (name, link) in links {
            do throws(LayerError) {
                try copyUp(name, link, lower, &copies)
            } catch {
                throw error.at(name.bytes)
            }
        }
    }

    private func copyUp(
        _ name: EntryName, _ link: LowerLink, _ lower: LowerTree,
        _ copies: inout [EntryName: Place]
    ) throws(LayerError) {
        let target = try lower.real(link.target.parent).child(link.target.last)
        guard let found = try lower.find(target), !Raw.isDirectory(found.status) else {
            throw Self.missingTarget(name, link)
        }
        let parent = try directory(name.parent)
        let place = Place(parent: parent, name: parent.name.child(name.last))
        if let status = try Raw.status(parent.descriptor, place.last) {
            guard Raw.isWhiteout(status) else {
                throw LayerError(.corrupt, "a hard link to a file, with entries below it")
            }
            try remove(place)
        }
        if copies[target] == nil {
            let first = try free(target) ?? place
            try copyFile(found, to: first)
            copies[target] = first
        }
        if let copy = copies[target], copy.name != place.name {
            try Raw.check(Self.link(copy.parent.descriptor, copy.last, to: place), "link")
        }
        try setSharedAttributes(place, link.entry)
    }

    /// The place of a lower file where this layer lets it be seen.
    private func free(_ target: EntryName) throws(LayerError) -> Place? {
        for depth in 0..<target.components.count
        where opaque.contains(EntryName(components: Array(target.components[..<depth]))) {
            return nil
        }
        guard let parent = try directoryUnlessBlocked(target.parent),
            try Raw.status(parent.descriptor, target.last.cName) == nil
        else { return nil }
        return Place(parent: parent, name: parent.name.child(target.last))
    }

    private func copyFile(_ found: LowerTree.Found, to place: Place) throws(LayerError) {
        let directory = place.parent.descriptor
        switch found.status.st_mode & S_IFMT {
        case S_IFREG: return try copyContent(found, to: place)
        case S_IFLNK:
            let target = try Raw.link(found.layer, found.name.path)
            try Raw.check(symlinkat(target.cName, directory, place.last), "symlink")
        case let type:
            let (major, minor) = Raw.deviceNumber(found.status)
            let result = cl_mknodat(directory, place.last, type | 0o600, major, minor)
            guard result >= 0 else { throw LayerError(system: -result, "mknod") }
        }
        try setLinkAttributes(place, try described(found, nil))
    }

    private func copyContent(_ found: LowerTree.Found, to place: Place) throws(LayerError) {
        guard let source = try Raw.openBeneath(found.layer, found.name, O_RDONLY) else {
            throw LayerError(system: ENOENT, "open", entry: found.name.bytes)
        }
        defer { close(source) }
        let file = openat(
            place.parent.descriptor, place.last,
            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        try Raw.check(file, "create")
        defer { close(file) }
        copyAllowance -= try Raw.copyData(source, to: file, limit: copyAllowance)
        try setAttributes(file, try described(found, source))
        try sums.note(file, nil)
    }

    private func copyAttributes(from found: LowerTree.Found, to name: EntryName) throws(LayerError)
    {
        guard let source = try Raw.openBeneath(found.layer, found.name, O_RDONLY | O_DIRECTORY),
            let directory = try Raw.openBeneath(root.descriptor, name, O_RDONLY | O_DIRECTORY)
        else { return }
        defer {
            close(source)
            close(directory)
        }
        try setAttributes(directory, try described(found, source))
    }

    /// What is below, as an archive would have it: with its owner as the image means him, and but for what steers the overlay all of
    /// its attributes.
    private func described(_ found: LowerTree.Found, _ source: Int32?) throws(LayerError)
        -> TarEntry
    {
        let status = found.status
        let kind: TarEntry.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFLNK: .symbolicLink
            case S_IFDIR: .directory
            case S_IFIFO: .fifo
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            default: .file
            }
        var entry = TarEntry(kind: kind, path: found.name.bytes, mode: status.st_mode & 0o7777)
        (entry.uid, entry.gid) = form.imageOwner(status)
        entry.modified = (Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec))
        if let source {
            if let owner = Raw.recordedOwner(source) { (entry.uid, entry.gid) = owner }
            entry.attributes = try Raw.attributes(source, where: isApplied)
        }
        return entry
    }

    /// An implied directory that is a link below: what this layer put there goes where the link leads.
    private func writeThroughLinks(_ lower: LowerTree) throws(LayerError) {
        while let name = try impliedLink(lower) {
            let real = try lower.real(name)
            guard !real.begins(with: name) else {
                throw LayerError(.hostile, "a link that leads into itself", entry: name.bytes)
            }
            func moved(_ old: EntryName) -> EntryName {
                EntryName(components: real.components + old.components[name.components.count...])
            }
            try merge(name, into: try directory(real))
            for key in directories.keys.filter({ $0.begins(with: name) }) {
                let entry = directories.removeValue(forKey: key)
                if directories[moved(key)] == nil { directories[moved(key)] = entry }
                implied.remove(moved(key))
            }
            let below = implied.filter { $0.begins(with: name) }
            implied.subtract(below)
            implied.formUnion(
                below.filter { $0 != name }.map(moved).filter { directories[$0] == nil })
            madeWhiteouts = madeWhiteouts.map { $0.begins(with: name) ? moved($0) : $0 }
        }
    }

    private func impliedLink(_ lower: LowerTree) throws(LayerError) -> EntryName? {
        for name in implied.sorted(by: { $0.components.count < $1.components.count }) {
            if let found = try lower.find(name), Raw.isLink(found.status) { return name }
        }
        return nil
    }

    /// Moves what is in a directory into another, over what is there, and removes it. A whiteout hides what lies below, never
    /// what this layer has; an opaque mark goes along.
    private func merge(_ name: EntryName, into target: OpenDirectory) throws(LayerError) {
        guard let source = try Raw.openBeneath(root.descriptor, name, O_RDONLY | O_DIRECTORY) else {
            return
        }
        defer { close(source) }
        for child in try DirectoryListing.names(source, [46, 0]) {
            let place = Place(parent: target, name: target.name.child(child))
            guard let status = try Raw.status(source, place.last) else { continue }
            let existing = try Raw.status(target.descriptor, place.last)
            let isOverDirectory = existing.map(Raw.isDirectory) ?? false
            if isOverDirectory, Raw.isDirectory(status) {
                try merge(name.child(child), into: try directory(place.name))
            } else if existing != nil, Raw.isWhiteout(status) {
                try Raw.check(unlinkat(source, place.last, 0), "remove whiteout")
                if isOverDirectory { try markOpaque(place.name) }
            } else {
                if existing != nil { try remove(place) }
                try Raw.check(
                    renameat(source, place.last, target.descriptor, place.last), "rename")
                if Raw.isDirectory(status), existing.map(Raw.isWhiteout) ?? false {
                    try markOpaque(place.name)
                }
            }
        }
        if form.isOpaque(source) { try markOpaque(target.name) }
        try Raw.check(
            unlinkat(try directory(name.parent).descriptor, name.last.cName, AT_REMOVEDIR), "rmdir")
        forgetOpenDirectories()
    }
}

/// A hard link to what only a lower layer has.
struct LowerLink {
    let target: EntryName
    /// What the archive says of it, and so of its target.
    let entry: TarEntry
}

package enum DirectoryListing {
    /// Names in a directory beneath an open one, without `.` and `..`.
    package static func names(_ root: Int32, _ path: [CChar]) throws(LayerError) -> [[UInt8]] {
        guard let descriptor = try Raw.open(root, path, O_RDONLY | O_DIRECTORY) else {
            throw LayerError(system: ENOENT, "open")
        }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw LayerError(system: errno, "opendir")
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [46], name != [46, 46] { names.append(name) }
        }
        return names
    }
}
