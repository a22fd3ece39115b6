internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// What a store holds, and what of it is needed. Read while nobody pulls.
package struct StoreInventory {
    package let records: [ReferenceRecord]
    package let uses: [ImageUse]
    /// References and uses of which it is not known what they need: because of them nothing may be dropped.
    let damaged: [String]
    /// Bytes of each file below `blobs`, by name.
    let blobs: [String: Int64]
    /// Bytes of each layer of whatever form, by its path in the store.
    let layers: [String: Int64]
    /// Names of blobs and layers, by the digest of the manifest that needs them.
    private let needs: [Digest: (blobs: Set<String>, layers: Set<String>)]

    package init(_ store: LayerStore) throws(ImageError) {
        let all = store.references.all()
        let used = store.uses.all()
        records = all.records
        uses = used.uses
        var damaged = all.damaged + used.damaged
        var needs: [Digest: (blobs: Set<String>, layers: Set<String>)] = [:]
        func need(_ record: ReferenceRecord) {
            guard let image = store.blobs.image(record) else {
                return damaged.append(record.reference)
            }
            var (blobs, layers): (Set<String>, Set<String>) = needs[record.manifest] ?? ([], [])
            let documents = [record.manifest, record.resolved, image.manifest.config.digest]
            blobs.formUnion((documents + image.manifest.layers.map(\.digest)).map(\.hex))
            // Other platforms of an index, where it was loaded with all of them.
            blobs.formUnion(store.blobs.parts(of: record.resolved).map(\.hex))
            for index in image.diffIDs.indices {
                layers.formUnion(LayerStore.keys(image.diffIDs, index).map(\.hex))
            }
            needs[record.manifest] = (blobs, layers)
        }
        for record in records { need(record) }
        // A job's image may have lost its name.
        for use in uses where needs[use.manifest] == nil && !damaged.contains(use.reference) {
            need(
                ReferenceRecord(
                    reference: use.reference, manifest: use.manifest, resolved: use.manifest,
                    created: 0, origin: nil))
        }
        self.damaged = damaged
        self.needs = needs
        blobs = try Self.sizes(store.paths.blobs) { path in
            var status = stat()
            return stat(path, &status) == 0 ? Int64(status.st_size) : 0
        }
        var layers: [String: Int64] = [:]
        for directory in store.paths.layerDirectories {
            let sizes = try Self.sizes(store.paths.root + "/" + directory) {
                LayerList.bytes(listedIn: store.paths.list($0)) ?? 0
            }
            for (name, size) in sizes
            where !name.contains(".") || name.contains(LayerStore.replaced) {
                layers[directory + "/" + name] = size
            }
        }
        self.layers = layers
    }

    private static func sizes(_ directory: String, _ size: (String) -> Int64) throws(ImageError)
        -> [String: Int64]
    {
        do throws(SystemError) {
            let names = try Files.names(in: directory)
            return Dictionary(names.map { ($0, size(directory + "/" + $0)) }) { first, _ in first }
        } catch {
            throw ImageError(system: error, "list \(directory)")
        }
    }

    func isUsed(_ manifest: Digest) -> Bool { uses.contains { $0.manifest == manifest } }

    /// What is left to need, blobs by name and layers by path, once `gone` have lost their names: every image with another name, and every one in use.
    func needed(without gone: Set<String>) -> (blobs: Set<String>, layers: Set<String>) {
        let left = records.filter { !gone.contains($0.reference) }.map(\.manifest)
        var result: (blobs: Set<String>, layers: Set<String>) = ([], [])
        for manifest in Set(left + uses.map(\.manifest)) {
            guard let need = needs[manifest] else { continue }
            result.blobs.formUnion(need.blobs)
            result.layers.formUnion(need.layers)
        }
        let (keys, isUsed) = (result.layers, !uses.isEmpty)
        // One that was replaced may be mounted until no image is used any more.
        result.layers = Set(
            layers.keys.filter { path in
                keys.contains(RootedPath.split(path).name)
                    || isUsed && path.contains(LayerStore.replaced)
            })
        return result
    }

    /// Bytes of what stays.
    func size(without gone: Set<String>) -> Int64 {
        let needed = needed(without: gone)
        return blobs.filter { needed.blobs.contains($0.key) }.values.reduce(0, +)
            + layers.filter { needed.layers.contains($0.key) }.values.reduce(0, +)
    }
}
