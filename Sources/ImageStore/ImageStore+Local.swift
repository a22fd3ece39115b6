internal import Glibc
internal import Layers
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
            let use = try StoreUse(paths, form)
            defer { use.close() }
            let files = try LocalFiles(path.path, isOwn: true)
            let image = try layout(files, name: path.path, options.platform)
            let stored =
                if let layers = unpacked(image.image) { image.image.stored(layers) } else {
                    try bring(image, use, keepsBlobs: false, options, progress)
                }
            // So that no removal takes its layers away.
            if references.get(path.path)?.manifest != image.image.manifestDigest {
                try remember(stored, origin: nil)
            }
            return stored
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
        var files: LocalFiles
        /// Of the layers' blobs.
        var names: [Digest: String]
    }

    func bring(
        _ local: LocalImage, _ use: StoreUse, keepsBlobs: Bool, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        try bring(
            local.image, use,
            FileSupply(files: local.files, names: local.names, image: local.image.name),
            keeping: keepsBlobs ? .all : .none, options, progress)
    }

    /// Reads an OCI image layout (image-spec image-layout.md). Call during a use of the store.
    func layout(_ files: LocalFiles, name: String, _ platform: Platform) throws(ImageError)
        -> LocalImage
    {
        let index = try files.read("index.json")
        let image = try resolve(name, index, contentType: MediaType.index, platform: platform) {
            descriptor throws(ImageError) in
            try files.read(LocalContent.name(descriptor.digest))
        }
        let names = image.manifest.layers.map { ($0.digest, LocalContent.name($0.digest)) }
        return LocalImage(
            image: image, files: files, names: Dictionary(names) { first, _ in first })
    }
}
