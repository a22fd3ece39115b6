internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// What a pruning takes besides blobs and layers that nothing needs.
public struct PruneOptions: Sendable, Hashable {
    /// Every image that nobody uses; otherwise what jobs pinned and need no more, and paths that are gone.
    public var all: Bool
    /// Only images that were not used for so many milliseconds.
    public var olderThan: Int64?
    /// Then the images that were used least recently, until so many bytes are left.
    public var budget: Int64?
    /// Changes nothing, and tells what it would free.
    public var isDryRun: Bool
    public init(
        all: Bool = false, olderThan: Int64? = nil, budget: Int64? = nil, isDryRun: Bool = false
    ) {
        self.all = all
        self.olderThan = olderThan
        self.budget = budget
        self.isDryRun = isDryRun
    }
}

extension LayerStore {
    /// Drops images that nobody uses, and every blob and layer that nothing needs. What a job or a mount uses stays. Waits for pulls
    /// to end. Blocks.
    package func prune(_ options: PruneOptions) throws(ImageError) -> RemovalSummary {
        try alone { () throws(ImageError) in
            let inventory = try StoreInventory(self)
            var gone = Set(
                inventory.records.filter { isPrunable($0, options, inventory) }.map(\.reference))
            if let budget = options.budget {
                fit(budget, &gone, inventory)
            }
            return options.isDryRun
                ? foresee(gone, inventory) : try forget(gone, inventory)
        }
    }

    private func isPrunable(
        _ record: ReferenceRecord, _ options: PruneOptions, _ inventory: StoreInventory
    ) -> Bool {
        guard !inventory.isUsed(record.manifest) else { return false }
        if let age = options.olderThan {
            guard lastUse(of: record.manifest, inventory) <= Clock.now() - age else {
                return false
            }
        }
        let isPath = record.reference.hasPrefix("/")
        return options.all || Self.pinnedTag(record.reference) != nil
            || (isPath && !Files.exists(record.reference))
    }

    /// When an image was last used by any of its names.
    private func lastUse(of manifest: Digest, _ inventory: StoreInventory) -> Int64 {
        inventory.records.filter { $0.manifest == manifest }
            .map { references.lastUse($0.reference) }.max() ?? 0
    }

    /// Adds the images that were used least recently until what is left fits, or nothing is left to add. One that came a moment ago
    /// is about to be used.
    private func fit(_ budget: Int64, _ gone: inout Set<String>, _ inventory: StoreInventory) {
        let recent = Clock.now() - 60_000
        let manifests = Set(inventory.records.map(\.manifest)).filter { !inventory.isUsed($0) }
        let oldest = manifests.map { (manifest: $0, used: lastUse(of: $0, inventory)) }
            .filter { $0.used < recent }.sorted { $0.used < $1.used }
        for (manifest, _) in oldest {
            guard inventory.size(without: gone) > budget else { return }
            gone.formUnion(
                inventory.records.filter { $0.manifest == manifest }.map(\.reference))
        }
    }

    private func foresee(_ names: Set<String>, _ inventory: StoreInventory) -> RemovalSummary {
        let damaged = inventory.damaged.filter { !names.contains($0) }
        var summary = RemovalSummary(references: names.sorted(), damaged: damaged)
        guard damaged.isEmpty else { return summary }
        let needed = inventory.needed(without: names)
        let blobs = inventory.blobs.filter { !needed.blobs.contains($0.key) }
        let layers = inventory.layers.filter { !needed.layers.contains($0.key) }
        summary.blobs = blobs.count
        summary.layers = layers.count
        summary.bytes = blobs.values.reduce(0, +) + layers.values.reduce(0, +)
        return summary
    }
}
