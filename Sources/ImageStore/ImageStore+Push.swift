internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Registry

extension ImageStore {
    /// Sends an image of the store to its registry, or under another name: what the registry has already is not sent, layers go
    /// byte for byte as they came, the manifest last. Returns the digest that the name has there. Blocks.
    ///
    /// Of an index that is here with everything in it all is sent, else the one platform that is here.
    public func push(
        _ source: String, to target: String? = nil, options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws(ImageError) -> String {
        let name = try Self.parse(source)
        let destination = try target.map { text throws(ImageError) in try Self.parse(text) } ?? name
        let use = try StoreUse(paths, form)
        defer { use.close() }
        let tree = try storedTree(name, options.platform)
        let stop = TransferStop(options.isCancelled)
        let registry = try repository(destination, for: tree, stop, options)
        try ImageTransfer(
            tree, from: StoreContent(blobs: blobs), to: registry, stop, progress: progress
        ).run()
        return tree.root.descriptor.digest.description
    }

    /// A repository to send `tree` to, and what of it other repositories of the registry may have.
    func repository(
        _ destination: ImageReference, for tree: ContentTree, _ stop: TransferStop,
        _ options: PullOptions, from source: ImageReference? = nil
    ) throws(ImageError) -> RegistryTarget {
        let root = tree.root.descriptor.digest
        // A tag beside it is what the image is to be called; by a digest alone nothing else can be called.
        guard destination.tag != nil || destination.digest ?? root == root else {
            throw ImageError(
                .malformed, "push", destination.description,
                "the image's digest is \(root), and cannot be another",
                hint: "give a tag in its place")
        }
        var options = options
        options.isCancelled = { stop.isCancelled() }
        var mounts = mounts(for: tree, to: destination)
        if let source, source.domain == destination.domain {
            for blob in tree.blobs { mounts[blob.digest] = source.path }
        }
        return RegistryTarget(
            client: client(options), reference: destination, mounts: mounts,
            width: max(1, settings.registry.connections))
    }

    /// Which repositories of the registry had a blob when images came from there: few of them, since each takes a token of its own.
    private func mounts(for tree: ContentTree, to destination: ImageReference) -> [Digest: String] {
        let wanted = Set(tree.blobs.map(\.digest))
        var known: [String: Set<Digest>] = [:]
        for record in references.all().records {
            // A path is no reference.
            guard let reference = try? ImageReference(record.reference),
                reference.domain == destination.domain, reference.path != destination.path,
                let image = self.known(record)
            else { continue }
            let parts = image.manifest.layers + [image.manifest.config]
            known[reference.path, default: []].formUnion(wanted.intersection(parts.map(\.digest)))
        }
        var mounts: [Digest: String] = [:]
        for (path, digests) in known.sorted(by: {
            ($0.value.count, $1.key) > ($1.value.count, $0.key)
        }) {
            for digest in digests where mounts[digest] == nil { mounts[digest] = path }
        }
        return mounts
    }

    /// All that the store has of an image: the index with every platform where it is whole, else the one platform.
    func storedTree(_ reference: ImageReference, _ platform: Platform) throws(ImageError)
        -> ContentTree
    {
        let name = reference.description
        let image = try stored(reference, platform)
        let content = StoreContent(blobs: blobs)
        if image.resolved != image.manifestDigest,
            let index = blobs.document(image.resolved),
            // An index of which something is missing is not whole.
            let root = try? ContentTree.Document(index, mediaType: "", name),
            let tree = try? ContentTree(root, name, from: content), tree.isWhole(in: content)
        {
            return tree
        }
        guard let bytes = blobs.document(image.manifestDigest) else {
            throw ImageError(
                .corrupt, "read", name, "its manifest is damaged", hint: "pull it again")
        }
        let root = try ContentTree.Document(bytes, mediaType: "", name)
        return try ContentTree(root, name, from: content)
    }

    func stored(_ reference: ImageReference, _ platform: Platform) throws(ImageError)
        -> ResolvedImage
    {
        let name = reference.description
        // What was brought in under the name, for whatever platform; a digest may never have been asked for by this name.
        let recorded = references.get(name).flatMap { known($0) }
        guard
            let image = recorded
                ?? reference.digest.flatMap({ known(name, $0, platform: platform) })
        else {
            throw ImageError(
                .notFound, "find", name, "it is not in the store",
                hint: "martlet image ls shows what is")
        }
        return image
    }
}
