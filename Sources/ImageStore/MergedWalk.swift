internal import Glibc
internal import Layers

/// What layers show together, entry by entry: parents before children, names in the order of their bytes. Reads what
/// the kernel's overlay would, whiteouts and opaque marks applied.
struct MergedWalk {
    /// One entry, in the layer that shows it.
    struct Node {
        let name: EntryName
        let status: stat
        /// The open directory that holds it in that layer.
        let parent: Int32
        /// Index of the layer, 0 for the lowest.
        let layer: Int
        /// In `parent`; `.` for the root.
        var last: [CChar] { name.isRoot ? [46, 0] : name.last.cName }
    }
    /// A directory of one layer.
    private struct Part {
        let layer: Int
        let directory: OpenDirectory
    }
    private let form: OverlayForm
    private let roots: [Part]

    /// `layers` are directories, lowest first.
    init(layers: [String], form: OverlayForm) throws(LayerError) {
        self.form = form
        var roots: [Part] = []
        for (layer, path) in layers.enumerated() {
            guard
                let descriptor = try Raw.open(
                    AT_FDCWD, Array(path.utf8).cName, O_RDONLY | O_DIRECTORY)
            else { throw LayerError(system: ENOENT, "open a layer") }
            let root = OpenDirectory(descriptor: descriptor, name: EntryName(components: []))
            roots.append(Part(layer: layer, directory: root))
        }
        self.roots = roots.reversed()
    }

    func run(_ visit: (Node) throws(LayerError) -> Void) throws(LayerError) {
        guard let top = roots.first, let status = try Raw.status(top.directory.descriptor, [46, 0])
        else { return }
        try visit(
            Node(
                name: top.directory.name, status: status, parent: top.directory.descriptor,
                layer: top.layer))
        try walk(roots, visit)
    }

    /// Everything within a directory, whose parts are the layers' own, the uppermost first.
    private func walk(_ parts: [Part], _ visit: (Node) throws(LayerError) -> Void)
        throws(LayerError)
    {
        var names: Set<[UInt8]> = []
        for part in parts {
            do throws(LayerError) {
                names.formUnion(try DirectoryListing.names(part.directory.descriptor, [46, 0]))
            } catch {
                throw error.at(part.directory.name.bytes)
            }
        }
        for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            guard let (node, below) = try named(name, in: parts) else { continue }
            try visit(node)
            if !below.isEmpty { try walk(below, visit) }
        }
    }

    private func named(_ name: [UInt8], in parts: [Part]) throws(LayerError) -> (Node, [Part])? {
        do throws(LayerError) {
            return try look(name, in: parts)
        } catch {
            throw error.at(parts.first?.directory.name.child(name).bytes ?? name)
        }
    }

    /// What the uppermost layer shows of a name, and the directories that merge there.
    private func look(_ name: [UInt8], in parts: [Part]) throws(LayerError) -> (Node, [Part])? {
        var found: Node?
        var below: [Part] = []
        for part in parts {
            guard let status = try Raw.status(part.directory.descriptor, name.cName) else {
                continue
            }
            let isDirectory = Raw.isDirectory(status)
            if Raw.isWhiteout(status) || (found != nil && !isDirectory) { break }
            let whole = part.directory.name.child(name)
            if found == nil {
                found = Node(
                    name: whole, status: status, parent: part.directory.descriptor,
                    layer: part.layer)
            }
            guard isDirectory,
                let descriptor = try Raw.open(
                    part.directory.descriptor, name.cName, O_RDONLY | O_DIRECTORY)
            else { break }
            below.append(
                Part(
                    layer: part.layer,
                    directory: OpenDirectory(descriptor: descriptor, name: whole)))
            if form.isOpaque(descriptor) { break }
        }
        return found.map { ($0, below) }
    }
}
