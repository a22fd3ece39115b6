internal import FoundationEssentials
internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

extension ImageStore {
    /// Unpacks an archive once, as if it were a layer, and then looks at what it is: an OCI layout, what `docker save` wrote, or
    /// a root filesystem, of which it is the one layer.
    func bringArchive(
        _ path: String, name: String, _ use: StoreUse, keepsBlobs: Bool, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let archive = try ArchiveFile(path: path)
        let directory = use.temporary("archive")
        let layer = try unpack(archive, into: directory, name)
        let files = try LocalFiles(directory, isOwn: false)
        if files.has("oci-layout"), files.has("index.json") {
            let local = try layout(files, name: name, options.platform)
            return try bring(local, use, keepsBlobs: keepsBlobs, options, progress)
        }
        if let saved = try archived(
            files, in: directory, options.platform, compresses: keepsBlobs)
        {
            guard saved.images.count == 1 else {
                throw ImageError(
                    .unsupported, "read", name, "it holds \(saved.images.count) images",
                    hint: "martlet image load takes all of them")
            }
            let local = try local(saved.images[0].root, saved.content, name, options.platform)
            return try bring(local, use, keepsBlobs: keepsBlobs, options, progress)
        }
        return try storeRoot(
            layer, archive, directory, name, use, keepsBlobs: keepsBlobs, options.platform)
    }

    func unpack(
        _ archive: ArchiveFile, into directory: String, _ name: String
    ) throws(ImageError) -> AppliedLayer {
        do throws(LayerError) {
            try Raw.check(mkdir(directory, 0o755), "mkdir")
            let source = LayerSource(
                digest: nil, size: archive.size, diffID: nil, descriptor: archive.descriptor,
                arrival: nil)
            let application = LayerApplication(
                form: form, inflater: settings.inflater.makeEngine, limits: settings.limits)
            return try application.run(source, into: directory, isLowest: true)
        } catch {
            throw error.imageError(layer: name)
        }
    }

    /// The archive is a root filesystem: one layer, and documents made for it, the same each time.
    private func storeRoot(
        _ layer: AppliedLayer, _ archive: ArchiveFile, _ directory: String, _ name: String,
        _ use: StoreUse,
        keepsBlobs: Bool, _ platform: Platform
    ) throws(ImageError) -> StoredImage {
        var descriptor = Descriptor(
            mediaType: MediaType.layer, digest: layer.compressed, size: archive.size)
        switch archive.compression {
        case .gzip: descriptor.mediaType = MediaType.layerGzip
        case .zstd: descriptor.mediaType = MediaType.layerZstd
        case .none: break
        }
        if keepsBlobs { descriptor = try keep(archive, descriptor, use) }
        let config = ImageConfig(platform: platform, diffIDs: [layer.diffID])
        let image = try storeDocuments(name, config, [descriptor])
        if let path = layers.find(image.diffIDs, 0) { return image.stored([path]) }
        do throws(LayerError) {
            let isBound = try layer.writer.settle(on: nil)
            let key = isBound ? LayerStore.boundKey(image.diffIDs[...0]) : layer.diffID
            let stored = image.stored([try publish(directory, key, layer.writer.sums)])
            flushLater()
            return stored
        } catch {
            throw error.imageError(layer: name)
        }
    }

    private func publish(_ directory: String, _ key: Digest, _ sums: ContentSums)
        throws(LayerError) -> String
    {
        do throws(ImageError) {
            return try layers.publish(directory, key, sums)
        } catch {
            throw LayerError(error.kind, error.reason, errno: error.errno)
        }
    }

    /// Encodes and keeps the documents of a new image.
    func storeDocuments(
        _ name: String, _ config: ImageConfig, _ layers: [Descriptor]
    ) throws(ImageError) -> ResolvedImage {
        let configBytes = try Self.encode(config, name)
        let manifest = Manifest(
            mediaType: MediaType.manifest,
            config: Descriptor(
                mediaType: MediaType.config, digest: digestOf(configBytes),
                size: Int64(configBytes.count)),
            layers: layers)
        let manifestBytes = try Self.encode(manifest, name)
        let digest = digestOf(manifestBytes)
        try blobs.put(configBytes, manifest.config.digest)
        try blobs.put(manifestBytes, digest)
        return ResolvedImage(
            name: name, manifestDigest: digest, manifest: manifest, config: config, resolved: digest
        )
    }

    static func encode(_ document: some Encodable, _ name: String) throws(ImageError)
        -> [UInt8]
    {
        do {
            return try DocumentEncoder.bytes(document)
        } catch {
            throw ImageError(.system, "encode", name, "\(error)")
        }
    }
}

/// An open archive of this machine.
final class ArchiveFile {
    private let file: OwnedFD
    let size: Int64
    let compression: Compression
    var descriptor: Int32 { file.raw }

    convenience init(path: String) throws(ImageError) {
        let file: OwnedFD
        do throws(SystemError) {
            file = try OwnedFD.open(path, O_RDONLY | O_NONBLOCK)
        } catch {
            throw ImageError(system: error, "read \(path)")
        }
        try self.init(file, path)
    }

    init(_ file: consuming OwnedFD, _ name: String) throws(ImageError) {
        var status = stat()
        var magic = [UInt8](repeating: 0, count: Int(Compression.magicSize))
        guard fstat(file.raw, &status) == 0, pread(file.raw, &magic, magic.count, 0) >= 0 else {
            throw ImageError(system: SystemError.last("read", name), "read \(name)")
        }
        self.file = file
        size = Int64(status.st_size)
        compression = magic.withUnsafeBytes { Compression(magic: $0) }
    }
}
