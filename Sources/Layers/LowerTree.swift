internal import CLinux
internal import Glibc

/// What the layers below show together, read as the kernel's overlay would: for the few questions that one layer alone
/// cannot answer.
package final class LowerTree {
    /// Open roots, the uppermost first.
    private let roots: [OpenDirectory]
    private let form: OverlayForm

    /// `layers` are directories, lowest first.
    init(layers: [String], form: OverlayForm) throws(LayerError) {
        self.form = form
        var roots: [OpenDirectory] = []
        for path in layers.reversed() {
            guard
                let descriptor = try Raw.open(
                    AT_FDCWD, Array(path.utf8).cName, O_RDONLY | O_DIRECTORY)
            else {
                throw LayerError(system: ENOENT, "open a lower layer")
            }
            roots.append(OpenDirectory(descriptor: descriptor, name: EntryName(components: [])))
        }
        self.roots = roots
    }

    struct Found {
        /// Root of the layer that shows it.
        let layer: Int32
        let name: EntryName
        let status: stat
    }

    /// What stands at a name, no link followed; nil where nothing does or a link or file stands in its path.
    func find(_ name: EntryName) throws(LayerError) -> Found? {
        guard let top = roots.first else { return nil }
        var merged = roots.map(\.descriptor)
        guard var status = try Raw.status(top.descriptor, [46, 0]) else { return nil }
        var found = Found(layer: top.descriptor, name: EntryName(components: []), status: status)
        for depth in 0..<name.components.count {
            guard Raw.isDirectory(status) else { return nil }
            let prefix = EntryName(components: Array(name.components[...depth]))
            guard let (first, next) = try look(prefix, in: merged) else { return nil }
            found = first
            status = first.status
            merged = next
        }
        return found
    }

    /// One component further down: what the uppermost layer shows, and the layers that merge there.
    private func look(_ name: EntryName, in layers: [Int32]) throws(LayerError) -> (Found, [Int32])?
    {
        var first: Found?
        var merged: [Int32] = []
        for layer in layers {
            guard let status = try Raw.status(layer, name.path) else { continue }
            if Raw.isWhiteout(status) { break }
            guard Raw.isDirectory(status) else {
                if first == nil { first = Found(layer: layer, name: name, status: status) }
                break
            }
            if first == nil { first = Found(layer: layer, name: name, status: status) }
            merged.append(layer)
            if try isOpaque(layer, name) { break }
        }
        return first.map { ($0, merged) }
    }

    private func isOpaque(_ layer: Int32, _ name: EntryName) throws(LayerError) -> Bool {
        guard let directory = try Raw.openBeneath(layer, name, O_RDONLY | O_DIRECTORY) else {
            return false
        }
        defer { close(directory) }
        return form.isOpaque(directory)
    }

    /// The real path of a name, every link in it followed, the last included; as far as it exists.
    func real(_ name: EntryName) throws(LayerError) -> EntryName {
        var path: [[UInt8]] = []
        var pending = Array(name.components.reversed())
        var links = 0
        while let component = pending.popLast() {
            if component == [46] { continue }
            if component == [46, 46] {
                _ = path.popLast()
                continue
            }
            let next = EntryName(components: path + [component])
            guard let found = try find(next), Raw.isLink(found.status) else {
                path.append(component)
                continue
            }
            links += 1
            guard links <= 40 else {
                throw LayerError(.hostile, "too many links in its path", entry: name.bytes)
            }
            let target = try Raw.link(found.layer, next.path)
            if target.first == UInt8(ascii: "/") { path = [] }
            pending += target.split(separator: UInt8(ascii: "/")).map(Array.init).reversed()
        }
        return EntryName(components: path)
    }
}
