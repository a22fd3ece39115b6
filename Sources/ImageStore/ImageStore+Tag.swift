internal import Layers
internal import LinuxSystem
internal import OCISpec

extension ImageStore {
    /// Gives an image of the store another name; what the name meant before, it means no more. Returns the name, normalised.
    public func tag(_ source: String, as target: String) throws(ImageError) -> String {
        let reference = try Self.parse(target)
        guard reference.digest == nil else {
            throw ImageError(.malformed, "tag as", target, "a new name cannot have a digest")
        }
        // No removal comes between the image and its name.
        let use = try StoreUse(paths, form)
        defer { use.close() }
        var record = try find(source, to: "tag").record
        record.reference = reference.description
        record.created = Self.milliseconds()
        // Of the path that it was read from; the name stands for what is here.
        record.origin = nil
        try references.put(record)
        return record.reference
    }

    /// Forgets a name alone: blobs and layers stay until a removal or pruning finds that nothing needs them.
    public func untag(_ reference: String) throws(ImageError) -> String {
        let name = try key(reference)
        guard references.has(name) else {
            throw ImageError(
                .notFound, "untag", name, "it is not in the store",
                hint: "martlet image ls shows what is")
        }
        try references.remove(name)
        return name
    }
}
