internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

extension ImageStore {
    /// Brings in every image of an OCI layout or archive, or of what `docker save` wrote, each under its own names; one
    /// without a name needs `tag`. Blobs are kept, so that they can be pushed, those of other platforms included. Blocks.
    public func load(
        _ place: ArchivePlace, tag: String? = nil, options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) throws(ImageError) -> [StoredImage] {
        let tag = try tag.map { text throws(ImageError) in try Self.parse(text) }
        let use = try StoreUse(paths, form)
        defer { use.close() }
        let (archive, name) = try read(place, use, options)
        let named = try Self.named(archive, tag, name)
        var stored: [StoredImage] = []
        for (reference, image) in named {
            let name = reference.description
            let local = try local(image.root, archive.content, name, options.platform)
            stored.append(try bring(local, use, keepsBlobs: true, options, progress))
            try keepRest(of: image.root, archive.content, name, use, options)
            try remember(local.image)
        }
        return stored
    }

    /// Everything is named before anything is brought in.
    private static func named(_ archive: ArchivedImages, _ tag: ImageReference?, _ name: String)
        throws(ImageError) -> [(ImageReference, ArchivedImages.Image)]
    {
        if let tag {
            guard archive.images.count == 1, tag.digest == nil else {
                throw ImageError(
                    .malformed, "load", name,
                    tag.digest == nil
                        ? "it holds \(archive.images.count) images, and one name was given"
                        : "a name to load as cannot have a digest")
            }
            return archive.images.map { (tag, $0) }
        }
        if archive.images.contains(where: \.names.isEmpty) {
            throw ImageError(
                .malformed, "load", name, "it holds an image without a name",
                hint: "give it one: --tag NAME")
        }
        return archive.images.flatMap { image in image.names.map { ($0, image) } }
    }

    /// Unpacks an archive, as if it were a layer, to read it.
    func read(_ place: ArchivePlace, _ use: StoreUse, _ options: PullOptions) throws(ImageError)
        -> (
            ArchivedImages, name: String
        )
    {
        let archive: ArchiveFile
        var name = "standard input"
        switch place {
        case .file(let path):
            name = path
            var status = stat()
            if stat(path, &status) == 0, Raw.isDirectory(status) {
                let directory = use.temporary("layout")
                guard mkdir(directory, 0o700) == 0 else {
                    throw ImageError(system: SystemError.last("mkdir", directory), "read \(path)")
                }
                let files = try LocalFiles(path, isOwn: true)
                guard files.has("oci-layout") else { throw Self.noImages(name) }
                return (try images(files, directory, name, options), name)
            }
            archive = try ArchiveFile(path: path)
        case .descriptor(let descriptor): archive = try spooled(descriptor, use)
        }
        let directory = use.temporary("archive")
        _ = try unpack(archive, into: directory, name)
        return (try images(try LocalFiles(directory, isOwn: false), directory, name, options), name)
    }

    private func images(
        _ files: LocalFiles, _ directory: String, _ name: String, _ options: PullOptions
    ) throws(ImageError) -> ArchivedImages {
        guard
            let images = try archived(files, in: directory, options.platform, compresses: true)
        else { throw Self.noImages(name) }
        return images
    }

    private static func noImages(_ name: String) -> ImageError {
        ImageError(
            .unsupported, "load", name, "it is neither an OCI layout nor a docker archive",
            hint: "martlet image import makes an image of a root filesystem")
    }

    /// A pipe cannot be read twice.
    private func spooled(_ descriptor: Int32, _ use: StoreUse) throws(ImageError) -> ArchiveFile {
        let path = use.temporary("input")
        do throws(LayerError) {
            let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            try Raw.check(file, "create")
            defer { close(file) }
            try Raw.copy(descriptor, to: file)
        } catch {
            throw error.imageError(layer: "standard input", "read")
        }
        return try ArchiveFile(path: path)
    }

    /// The other platforms of an index, where the archive has all of them.
    private func keepRest(
        of root: ContentTree.Document, _ content: LocalContent, _ name: String, _ use: StoreUse,
        _ options: PullOptions
    ) throws(ImageError) {
        guard MediaType.isIndex(root.descriptor.mediaType),
            // What is missing there is nobody's to keep.
            let tree = try? ContentTree(root, name, from: content), tree.isWhole(in: content)
        else { return }
        let stop = TransferStop(options.isCancelled)
        try ImageTransfer(
            tree, from: content, to: StoreTarget(name: name, use: use, blobs: blobs), stop
        ) { _ in }.run()
    }
}

/// The store's blobs, without a name for the root.
private struct StoreTarget: ContentTarget {
    let name: String
    let use: StoreUse
    let blobs: BlobStore
    let width = 1

    func put(_ blob: Descriptor, from source: any ContentSource, _ meter: BlobMeter)
        throws(ImageError)
    {
        if blobs.has(blob) { return meter.become(.present) }
        let content = try source.open(blob, meter)
        try writing(blob.digest.short) { () throws(LayerError) in
            let temporary = use.temporary("blob")
            let file = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            try Raw.check(file, "create")
            defer { close(file) }
            try content.copy(blob, to: file)
            try Raw.check(rename(temporary, blobs.paths.blob(blob.digest)), "rename")
        }
        meter.become(.sent)
    }

    func put(_ document: ContentTree.Document, isRoot: Bool) throws(ImageError) {
        try blobs.put(document.bytes, document.descriptor.digest)
    }
}
