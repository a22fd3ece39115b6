internal import Layers
internal import OCISpec
internal import Registry

extension ImageStore {
    /// Copies an image from one place to another with its digests, without unpacking it. A place is an image reference,
    /// `oci:PATH[:TAG]`, `oci-archive:PATH[:NAME]` or `docker-archive:PATH[:NAME]`. Of an index all is copied with `all`, else
    /// the one image for the platform. Returns the digest of what was copied. Blocks.
    public func copy(
        _ source: String, to target: String, all: Bool = false,
        options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws(ImageError) -> String {
        let (from, to) = (try ImagePlace(source), try ImagePlace(target))
        let use = try StoreUse(paths, form)
        defer { use.close() }
        let copy = ImageCopy(
            store: self, use: use, stop: TransferStop(options.isCancelled), all: all,
            options: options, progress: progress)
        switch from {
        case .registry(let reference):
            var reading = options
            let stop = copy.stop
            reading.isCancelled = { stop.isCancelled() }
            let content = try RegistryContent(
                client(reading), reference, use, chunkSize: settings.registry.chunkSize)
            defer { content.close() }
            return try copy.run(try content.root(), source, reference, from: content, to: to)
        case .layout(let path, let tag):
            return try copy.run(path, tag, source, to)
        case .ociArchive(let path, let name):
            return try copy.run(path, name, source, to)
        case .dockerArchive(let path, let name):
            return try copy.run(path, name?.description, source, to)
        }
    }
}

/// One copy, from wherever to wherever.
private struct ImageCopy {
    let store: ImageStore
    let use: StoreUse
    let stop: TransferStop
    let all: Bool
    let options: PullOptions
    let progress: @Sendable (TransferProgress) -> Void

    /// From a layout or an archive.
    func run(_ path: String, _ label: String?, _ name: String, _ target: ImagePlace)
        throws(ImageError) -> String
    {
        let (archive, _) = try store.read(.file(path), use, options)
        let found = archive.images.filter { image in
            // What is no reference may still be a tag.
            let reference = label.flatMap { try? ImageReference($0) }
            return label == nil || image.label == label
                || image.names.contains { $0 == reference }
        }
        guard found.count == 1 else {
            let labels = archive.images.map {
                $0.label.isEmpty ? $0.names.map(\.description).joined(separator: ", ") : $0.label
            }
            throw ImageError(
                found.isEmpty ? .notFound : .malformed, "copy", name,
                found.isEmpty
                    ? "there is no such image in it"
                    : "it holds \(found.count) images, and one is to be copied",
                hint: "it has \(labels.joined(separator: ", "))")
        }
        return try run(
            found[0].root, name, found[0].names.first, from: archive.content, to: target)
    }

    func run(
        _ found: ContentTree.Document, _ name: String, _ reference: ImageReference?,
        from source: some ContentSource, to place: ImagePlace
    ) throws(ImageError) -> String {
        var root = found
        var isOne = !all
        if case .dockerArchive = place { isOne = true }
        if isOne { root = try root.choose(options.platform, name, from: source) }
        let tree = try ContentTree(root, name, from: source)
        switch place {
        case .registry(let destination):
            let target = try store.repository(
                destination, for: tree, stop, options,
                from: source is RegistryContent ? reference : nil)
            try transfer(tree, source, target)
        case .layout(let path, let tag):
            try transfer(tree, source, try LayoutTarget(path, tag: tag))
        case .ociArchive(let path, let label):
            let output = try ArchiveOutput(.file(path))
            try output.write { () throws(ImageError) in
                let target = try OCIArchiveTarget(output, name: path)
                target.names = label.map { [$0] } ?? []
                try transfer(tree, source, target)
                try target.finish()
            }
        case .dockerArchive(let path, let label):
            let output = try ArchiveOutput(.file(path))
            try output.write { () throws(ImageError) in
                let target = DockerArchiveTarget(output, name: path, use, store.expansion)
                try target.begin(
                    tree, from: source, names: (label ?? reference).map { [$0] } ?? [])
                try transfer(tree, source, target)
                try target.finish()
            }
        }
        return root.descriptor.digest.description
    }

    private func transfer(
        _ tree: ContentTree, _ source: some ContentSource, _ target: some ContentTarget
    ) throws(ImageError) {
        try ImageTransfer(tree, from: source, to: target, stop, progress: progress).run()
    }
}
