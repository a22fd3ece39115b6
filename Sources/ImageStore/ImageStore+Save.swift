internal import Layers
internal import OCISpec

/// What an archive of images looks like.
public enum ArchiveFormat: String, Sendable, CaseIterable {
    /// An OCI layout: digests stay what they are, all platforms of an index that are here go along.
    case oci
    /// As `docker save` writes it: layers uncompressed, one platform.
    case docker
}

extension ImageStore {
    /// Writes images of the store into one archive. Blocks.
    public func save(
        _ references: [String], to place: ArchivePlace, format: ArchiveFormat = .oci,
        options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws(ImageError) {
        let names = try references.map { text throws(ImageError) in try Self.parse(text) }
        let use = try StoreUse(paths, form)
        defer { use.close() }
        let content = StoreContent(blobs: blobs)
        let trees = try trees(names, format, options)
        let output = try ArchiveOutput(place)
        try output.write { () throws(ImageError) in
            let stop = TransferStop(options.isCancelled)
            let name = place.name
            switch format {
            case .oci:
                let target = try OCIArchiveTarget(output, name: name)
                for (tree, names) in trees {
                    target.names = names.map(\.description)
                    try ImageTransfer(tree, from: content, to: target, stop, progress: progress)
                        .run()
                }
                try target.finish()
            case .docker:
                let target = DockerArchiveTarget(output, name: name, use, expansion)
                for (tree, names) in trees {
                    try target.begin(tree, from: content, names: names)
                    try ImageTransfer(tree, from: content, to: target, stop, progress: progress)
                        .run()
                }
                try target.finish()
            }
        }
    }

    var expansion: LayerExpansion {
        LayerExpansion(inflater: settings.inflater.makeEngine, limits: settings.limits)
    }

    /// Each image once, with all its names.
    private func trees(
        _ names: [ImageReference], _ format: ArchiveFormat, _ options: PullOptions
    ) throws(ImageError) -> [(ContentTree, [ImageReference])] {
        var trees: [(tree: ContentTree, names: [ImageReference])] = []
        for name in names {
            var tree = try storedTree(name, options.platform)
            if format == .docker {
                let content = StoreContent(blobs: blobs)
                let image = try stored(name, options.platform)
                let root = try ContentTree.Document(
                    blobs.document(image.manifestDigest) ?? [], mediaType: "", name.description)
                tree = try ContentTree(root, name.description, from: content)
            }
            let digest = tree.root.descriptor.digest
            if let place = trees.firstIndex(where: { $0.tree.root.descriptor.digest == digest }) {
                trees[place].names.append(name)
            } else {
                trees.append((tree, [name]))
            }
        }
        return trees
    }
}

extension ArchivePlace {
    var name: String {
        switch self {
        case .file(let path): path
        case .descriptor: "standard output"
        }
    }
}

extension DockerArchiveTarget {
    /// Says which image is next: the manifest that is the root of `tree`.
    func begin(
        _ tree: ContentTree, from source: some ContentSource, names: [ImageReference]
    ) throws(ImageError) {
        let subject = names.first?.description ?? tree.root.descriptor.digest.description
        guard case .manifest(let manifest) = try ContentTree.decode(tree.root, subject) else {
            throw ImageError(
                .unsupported, "save", subject, "a docker archive takes one platform of an image")
        }
        guard !manifest.layers.contains(where: { MediaType.isForeign($0.mediaType) }) else {
            throw ImageError(
                .unsupported, "save", subject,
                "a layer of it may only be had from elsewhere, and a docker archive takes all",
                hint: "save it as an OCI archive")
        }
        let bytes = try source.checked(manifest.config, subject)
        do throws(DocumentError) {
            begin(
                manifest, try ImageConfig(bytes, layerCount: manifest.layers.count), names: names)
        } catch {
            throw ImageError(error, "save", subject)
        }
    }
}
