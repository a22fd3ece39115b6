internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// What a path holds.
enum LocalKind: Sendable {
    /// A directory with `oci-layout` and `index.json`.
    case layout
    /// A root filesystem as it is.
    case tree
    /// An archive: of a root filesystem, of a layout, or one that `docker save` wrote. Only its content says which.
    case archive(origin: String)
}

extension ImageStore {
    func ensureLocal(
        _ path: LocalPath, options: PullOptions,
        progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        switch try Self.kind(path) {
        case .tree:
            return StoredImage(
                reference: path.path, digest: nil, layers: [path.path], process: ImageProcess())
        case .layout:
            let image = try layout(path.path, name: path.path, options.platform)
            if let layers = unpacked(image.image) { return image.image.stored(layers) }
            return try bring(image, keepsBlobs: false, options, progress)
        case .archive(let origin):
            if let record = references.get(path.path), record.origin == origin,
                let image = known(path.path, record.resolved, platform: options.platform),
                let layers = unpacked(image)
            {
                return image.stored(layers)
            }
            let use = try StoreUse(paths, form)
            defer { use.close() }
            let stored = try bringArchive(
                path.path, name: path.path, use, keepsBlobs: false, options, progress)
            try remember(stored, origin: origin)
            return stored
        }
    }

    static func kind(_ path: LocalPath) throws(ImageError) -> LocalKind {
        var status = stat()
        guard stat(path.path, &status) == 0 else {
            let error = SystemError.last("stat", path.path)
            throw ImageError(
                .malformed, "image", path.path, SystemError.text(error.errno), errno: error.errno)
        }
        if Raw.isDirectory(status) {
            return Files.exists(path.path + "/oci-layout")
                && Files.exists(path.path + "/index.json") ? .layout : .tree
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError(.malformed, "image", path.path, "it is neither a directory nor a file")
        }
        let time = status.st_mtim
        return .archive(
            origin:
                "\(status.st_dev):\(status.st_ino):\(status.st_size):\(time.tv_sec).\(time.tv_nsec)"
        )
    }

    func remember(_ image: StoredImage, origin: String?) throws(ImageError) {
        guard let text = image.digest, let digest = Digest(text) else { return }
        try references.put(
            ReferenceRecord(
                reference: image.reference, manifest: digest, resolved: digest,
                created: Self.milliseconds(),
                origin: origin))
    }

    /// An image whose documents are in the store and whose blobs are files.
    struct LocalImage {
        var image: ResolvedImage
        var files: [Digest: String]
    }

    func bring(
        _ local: LocalImage, keepsBlobs: Bool, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let use = try StoreUse(paths, form)
        defer { use.close() }
        return try bring(local, use, keepsBlobs: keepsBlobs, options, progress)
    }

    func bring(
        _ local: LocalImage, _ use: StoreUse, keepsBlobs: Bool, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let pull = LayerPull(
            self, use, local.image, supply: .files(local.files), keepsBlobs: keepsBlobs,
            isCancelled: options.isCancelled, progress: progress)
        let stored = local.image.stored(try pull.run())
        flushLater()
        return stored
    }

    /// Reads an OCI image layout (image-spec image-layout.md).
    func layout(_ directory: String, name: String, _ platform: Platform) throws(ImageError)
        -> LocalImage
    {
        do throws(SystemError) {
            try paths.make(form)
        } catch {
            throw ImageError(system: error, "open the image store")
        }
        let blobs = directory + "/blobs/sha256/"
        let index = try Self.read(directory + "/index.json")
        let image = try resolve(name, index, contentType: MediaType.index, platform: platform) {
            descriptor throws(ImageError) in
            try Self.read(blobs + descriptor.digest.hex)
        }
        let files = image.manifest.layers.map { ($0.digest, blobs + $0.digest.hex) }
        return LocalImage(image: image, files: Dictionary(files) { first, _ in first })
    }

    static func read(_ path: String) throws(ImageError) -> [UInt8] {
        do throws(SystemError) {
            return try Files.read(path, limit: OCISpec.documentLimit)
        } catch {
            throw ImageError(system: error, "read \(path)")
        }
    }
}
