internal import Layers

extension ImageStore {
    /// Forgets a reference, with what jobs pinned of it, and drops every blob and layer that no other one needs. Waits for pulls to
    /// end. Blocks. Throws `.inUse` where a job or a mount needs the image by this name; what jobs pinned of an earlier
    /// meaning of it stays until they have ended.
    public func remove(_ reference: String) throws(ImageError) -> RemovalSummary {
        let name = try key(reference)
        return try layers.alone { () throws(ImageError) in
            let inventory = try StoreInventory(layers)
            let pins = inventory.records.map(\.reference).filter { LayerStore.isPin($0, of: name) }
            let names = (references.has(name) ? [name] : []) + pins
            guard !names.isEmpty else {
                throw ImageError(
                    .notFound, "remove", name, "it is not in the store",
                    hint: "martlet image ls shows what is")
            }
            let used = inventory.uses.filter { names.contains($0.reference) }
            let manifests = Set(used.map(\.manifest))
            let own = references.get(name).map { manifests.contains($0.manifest) }
            if let first = used.first, own ?? true {
                let others = used.count > 1 ? " and \(used.count - 1) more" : ""
                throw ImageError(
                    .inUse, "remove", name, "\(first.user.description)\(others) needs it",
                    hint: first.user.hint)
            }
            let inUse = Set(used.map(\.reference))
            return try layers.forget(Set(names).subtracting(inUse), inventory)
        }
    }
}
