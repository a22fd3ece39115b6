internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Registry

extension ImageStore {
    /// Brings a root filesystem's tar, an OCI layout or an OCI or Docker archive in under a name, with its blobs, so that it can be
    /// pushed. Blocks.
    public func importImage(
        _ path: String, tag: String, options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) throws(ImageError) -> StoredImage {
        let reference = try Self.parse(tag)
        guard reference.digest == nil else {
            throw ImageError(
                .malformed, "import as", tag, "a name to import as cannot have a digest")
        }
        let name = reference.description
        let text = path.hasPrefix("/") || path.hasPrefix("~/") ? path : "./" + path
        guard let local = LocalPath(text, environment: settings.registry.environment) else {
            throw ImageError(.malformed, "import", path, "the current directory is not known")
        }
        // Held until the image has its name: no removal comes between.
        let use = try StoreUse(paths, form)
        defer { use.close() }
        let stored: StoredImage
        switch try Self.kind(local) {
        case .tree:
            throw ImageError(
                .malformed, "import", path, "it is neither an archive nor an OCI layout",
                hint: "use the directory itself as the image, or import a tar of it")
        case .layout:
            let files = try LocalFiles(local.path, isOwn: true)
            stored = try bring(
                try layout(files, name: name, options.platform), use, keepsBlobs: true, options,
                progress)
        case .archive:
            stored = try bringArchive(
                local.path, name: name, use, keepsBlobs: true, options, progress)
        }
        try remember(stored, origin: nil)
        return stored
    }

    /// Copies an archive into the blobs, compressed where it is not; the descriptor of what is kept.
    func keep(_ archive: ArchiveFile, _ descriptor: Descriptor, _ use: StoreUse) throws(ImageError)
        -> Descriptor
    {
        do throws(LayerError) {
            let temporary = use.temporary("blob")
            let file = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            try Raw.check(file, "create")
            defer { close(file) }
            var kept = descriptor
            if case .none = archive.compression, descriptor.mediaType == MediaType.layer {
                try GzipWriter.compress(archive.descriptor, to: file, with: settings.inflater)
                kept.mediaType = MediaType.layerGzip
            } else {
                try Raw.check(Int32(clamping: lseek(archive.descriptor, 0, SEEK_SET)), "lseek")
                try Raw.copy(archive.descriptor, to: file)
            }
            (kept.digest, kept.size) = try Self.digest(of: file)
            try Raw.check(rename(temporary, paths.blob(kept.digest)), "rename")
            return kept
        } catch {
            throw error.imageError(layer: descriptor.digest.short)
        }
    }

    /// SHA-256 and size of an open file.
    static func digest(of file: Int32) throws(LayerError) -> (Digest, Int64) {
        var status = stat()
        try Raw.check(fstat(file, &status), "stat")
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(
            descriptor: file, size: Int64(status.st_size), arrival: nil, lane: lane)
        try reader.drain()
        return (lane.finish().compressed, Int64(status.st_size))
    }
}
