internal import Glibc
public import LinuxSystem
public import OCISpec
internal import Registry

/// What a node is told of an image that it is to have.
public struct ImageParcel: Sendable {
    /// Byte for byte; nil for a plain directory.
    public var documents: (manifest: [UInt8], config: [UInt8])?
    /// Of the head, lowest first, each with what tells it from any other; see `SeenLayers`.
    public var directories: [(path: String, mark: String)]
    /// Blobs of the layers, lowest first.
    public var layers: [Descriptor]
}

extension ImageStore {
    /// Reads what the store knows of an image that it has.
    public func parcel(of image: StoredImage) throws(ImageError) -> ImageParcel {
        var directories: [(path: String, mark: String)] = []
        for path in image.layers {
            directories.append((path, try SeenLayers.mark(of: path)))
        }
        guard let text = image.digest, let digest = Digest(text) else {
            return ImageParcel(documents: nil, directories: directories, layers: [])
        }
        let record = ReferenceRecord(
            reference: image.reference, manifest: digest, resolved: digest, created: 0)
        guard let known = blobs.image(record), let manifest = blobs.document(digest),
            let config = blobs.document(known.manifest.config.digest)
        else {
            throw ImageError(
                .notFound, "send", image.reference, "its documents are not in the store",
                hint: "pull or import the image again")
        }
        return ImageParcel(
            documents: (manifest, config), directories: directories, layers: known.manifest.layers)
    }

    /// The blob of one of its layers, open and of its size. Where the store has only the unpacked layer, every blob of the image is
    /// brought in again from where it came. Blocks.
    public func openBlob(_ blob: Descriptor, of image: StoredImage) throws(ImageError) -> OwnedFD {
        if let file = blobs.open(blob.digest, size: blob.size) { return OwnedFD(file) }
        try bringBlobs(of: image)
        guard let file = blobs.open(blob.digest, size: blob.size) else {
            throw ImageError(
                .notFound, "send", image.reference,
                "the blob of its layer \(blob.digest.short) is not in the store",
                hint: "pull or import the image again")
        }
        return OwnedFD(file)
    }

    private func bringBlobs(of image: StoredImage) throws(ImageError) {
        guard let path = LocalPath(image.reference, environment: settings.registry.environment)
        else { return try pullBlobs(of: image) }
        let use = try StoreUse(paths, form)
        defer { use.close() }
        switch try Self.kind(path) {
        case .tree: break
        case .layout:
            let files = try LocalFiles(path.path, isOwn: true)
            let local = try layout(files, name: path.path, .current)
            _ = try bring(local, use, keepsBlobs: true, PullOptions()) { _ in }
        case .archive:
            _ = try bringArchive(
                path.path, name: path.path, use, keepsBlobs: true, PullOptions()
            ) { _ in }
        }
    }

    private func pullBlobs(of image: StoredImage) throws(ImageError) {
        let reference = try Self.parse(image.reference)
        let digest = image.digest.flatMap { Digest($0) }
        _ = try pull(digest.map(reference.pinned) ?? reference, PullOptions()) { _ in }
    }
}
