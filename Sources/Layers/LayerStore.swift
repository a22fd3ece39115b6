internal import Glibc
package import LinuxSystem
package import OCISpec

/// Unpacked layers by key. A layer that is the same above any others is kept under its diff id and shared; one that took
/// something from those below it is kept under a key of the whole chain.
package struct LayerStore: Sendable {
    package let paths: StorePaths
    package let settings: LayerSettings
    /// Changes once at most: where subordinate ids turn out to be of no use.
    package var form: OverlayForm { settings.form ?? OverlayForm.current }
    var node: StoreNode { settings.node }
    package var blobs: BlobStore { BlobStore(paths: paths) }
    package var uses: UseStore { UseStore(paths: paths) }
    package var references: ReferenceStore { ReferenceStore(paths: paths) }

    package init(paths: StorePaths, settings: LayerSettings) {
        self.paths = paths
        self.settings = settings
    }

    /// The key of a layer that is bound to those below it (chain id: image-spec config.md), never equal to a diff id.
    package static func boundKey(_ diffIDs: ArraySlice<Digest>) -> Digest {
        guard var chain = diffIDs.first else { return digestOf([UInt8]()) }
        for diffID in diffIDs.dropFirst() { chain = digestOf("\(chain) \(diffID)".utf8) }
        return digestOf("bound \(chain)".utf8)
    }

    /// Both keys under which the layer at `index` may be kept, the more special first.
    package static func keys(_ diffIDs: [Digest], _ index: Int) -> [Digest] {
        [boundKey(diffIDs[...index]), diffIDs[index]]
    }

    /// The directory of an unpacked layer; nil where there is none that can be trusted.
    package func find(_ diffIDs: [Digest], _ index: Int) -> String? {
        Self.keys(diffIDs, index).map { paths.layer($0, form) }.first(where: isTrusted)
    }

    /// Why a layer that is there is not trusted; nil where none is there.
    package func doubt(_ diffIDs: [Digest], _ index: Int) -> String? {
        let layer = Self.keys(diffIDs, index).map { paths.layer($0, form) }.first(
            where: Files.exists)
        guard let layer else { return nil }
        let mark = try? Files.text(paths.unsynced(layer))
        return mark == Self.damaged
            ? "it was found damaged" : "the machine went down before it was flushed to the disk"
    }

    /// Complete, and written down: by this boot of the machine, or flushed to the disk in an earlier one.
    private func isTrusted(_ layer: String) -> Bool {
        guard Files.exists(layer) else { return false }
        // No marker means that it was flushed.
        guard let mark = try? Files.text(paths.unsynced(layer)) else { return true }
        return node.trusts(mark, in: paths.root)
    }

    /// What a layer held when it was unpacked; nil where that is not known.
    package func list(of layer: String) -> LayerList? {
        // As long as the longest list: five million names of 200 bytes.
        guard let bytes = try? Files.read(paths.list(layer), limit: 1 << 30) else { return nil }
        return LayerList(encoded: bytes)
    }

    /// Has a layer unpacked anew by whoever wants it next.
    package func distrust(_ layer: String) throws(SystemError) {
        try Files.writeAtomically(paths.unsynced(layer), Self.damaged.utf8)
    }

    private static let damaged = "damaged"

    /// Gives a finished staging directory its name, with its list; one that another process put there meanwhile serves as well.
    package func publish(_ staging: String, _ key: Digest, _ sums: ContentSums) throws(ImageError)
        -> String
    {
        let path = paths.layer(key, form)
        if Files.exists(path) {
            if isTrusted(path) { return path }
            // Files may be empty: of a boot that ended before it was flushed, or found damaged.
            try putAside(path, key)
        }
        do throws(LayerError) {
            let list = try LayerList(of: staging, form: form, known: sums)
            do throws(SystemError) {
                try Files.writeAtomically(paths.list(path), list.encoded, durable: false)
                try Files.writeAtomically(paths.unsynced(path), node.mark.utf8, durable: false)
            } catch {
                throw LayerError(system: error.errno, "write", entry: [])
            }
        } catch {
            throw error.imageError(layer: key.short)
        }
        if Raw.renameDirectory(staging, path) { return path }
        guard errno == EEXIST || errno == ENOTEMPTY else {
            throw ImageError(system: SystemError.last("rename", path), "store layer \(key.short)")
        }
        return path
    }

    /// A container may have a damaged one mounted and keeps what is good of it; the next removal drops it once no image is used.
    private func putAside(_ layer: String, _ key: Digest) throws(ImageError) {
        let isDamaged = (try? Files.text(paths.unsynced(layer))) == Self.damaged
        let mayBeMounted = isDamaged && UseStore(paths: paths).all() != ([], [])
        let end = String(UInt64.random(in: 0 ... .max), radix: 36)
        let aside =
            mayBeMounted ? layer + Self.replaced + end : paths.staging + "/replaced-" + end
        guard Raw.renameDirectory(layer, aside) || errno == ENOENT else {
            throw ImageError(
                system: SystemError.last("rename", layer), "replace layer \(key.short)")
        }
        // What cannot be removed now is swept up by a later pull.
        if !mayBeMounted { try? TreeRemoval.remove(path: aside) }
    }

    /// Between a key and a random end: a layer that was replaced and may still be mounted.
    package static let replaced = ".replaced-"
}
