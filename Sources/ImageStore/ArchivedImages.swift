internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// What an archive or a layout holds: images and what they are called, as content by digest.
struct ArchivedImages {
    struct Image {
        var root: ContentTree.Document
        /// Empty where it has none.
        var names: [ImageReference]
        /// What it is called where it lies, perhaps by a tag alone; empty for nothing.
        var label = ""
    }
    var content: LocalContent
    var images: [Image]
}

extension ImageStore {
    /// Reads the images of an OCI layout, or of what `docker save` wrote; nil where `files` are neither. `directory` is where
    /// they lie, and takes what is made of docker's layers: with `compresses` they become gzip.
    func archived(
        _ files: LocalFiles, in directory: String, _ platform: Platform, compresses: Bool
    ) throws(ImageError) -> ArchivedImages? {
        // Docker writes both since version 25, and only the layout has digests to keep.
        if files.has("oci-layout"), files.has("index.json") {
            return try layoutImages(LocalContent(files: files), directory, platform)
        }
        guard let saved = SavedImage.read(files) else { return nil }
        let conversion = try DockerConversion(
            files, in: directory, settings, compresses: compresses)
        var images: [ArchivedImages.Image] = []
        for image in saved {
            images.append(
                ArchivedImages.Image(
                    root: try conversion.convert(image),
                    names: try (image.repoTags ?? []).map { tag throws(ImageError) in
                        try Self.parse(tag)
                    }))
        }
        return ArchivedImages(content: conversion.content, images: images)
    }

    /// Entries that share a name, or have none, are one image for several platforms.
    private func layoutImages(_ content: LocalContent, _ path: String, _ platform: Platform)
        throws(ImageError) -> ArchivedImages
    {
        let top = try ContentTree.Document(
            try content.files.read("index.json"), mediaType: MediaType.index, path)
        guard case .index(let index) = try ContentTree.decode(top, path) else {
            throw ImageError(.unsupported, "read", path, "its index.json is no index")
        }
        var order: [String] = []
        var groups: [String: [Descriptor]] = [:]
        for entry in index.manifests {
            let name = entry.label ?? ""
            if groups[name] == nil { order.append(name) }
            groups[name, default: []].append(entry)
        }
        var images: [ArchivedImages.Image] = []
        for name in order {
            let entries = groups[name] ?? []
            let index = Index(manifests: entries)
            guard let entry = entries.count == 1 ? entries[0] : index.choose(platform) else {
                throw ImageError(
                    .unsupported, "choose a platform of", name.isEmpty ? path : name,
                    "there is none for \(platform)",
                    hint: "it has \(index.platforms.joined(separator: ", "))")
            }
            let root = ContentTree.Document(
                descriptor: entry, bytes: try content.checked(entry, path))
            // A tag alone is no name.
            let isName = name.contains("/") || name.contains(":")
            images.append(
                ArchivedImages.Image(
                    root: root, names: isName ? [try Self.parse(name)] : [], label: name))
        }
        return ArchivedImages(content: content, images: images)
    }

    /// An image of `content`, with its documents in the store. Call during a use of it.
    func local(
        _ root: ContentTree.Document, _ content: LocalContent, _ name: String, _ platform: Platform
    ) throws(ImageError) -> LocalImage {
        let image = try resolve(
            name, root.bytes, contentType: root.descriptor.mediaType, platform: platform
        ) { descriptor throws(ImageError) in try content.checked(descriptor, name) }
        let names = image.manifest.layers.map { ($0.digest, content.name($0.digest)) }
        return LocalImage(
            image: image, files: content.files, names: Dictionary(names) { first, _ in first })
    }
}

extension Descriptor {
    /// What a layout's index calls it: containerd's whole name, or the specification's, which may be a tag alone.
    fileprivate var label: String? {
        annotations?[LayoutIndex.wholeNameKey] ?? annotations?[LayoutIndex.nameKey]
    }
}

/// Makes manifests for the images of a docker archive, which has none.
struct DockerConversion {
    private let files: LocalFiles
    private let path: String
    /// Beside the archive's own files, under a name that they cannot have.
    private let folder: String
    private let settings: StoreSettings
    private let compresses: Bool
    private let names = Names()

    /// Grows with every image.
    private final class Names { var byDigest: [Digest: String] = [:] }

    init(_ files: LocalFiles, in directory: String, _ settings: StoreSettings, compresses: Bool)
        throws(ImageError)
    {
        self.files = files
        self.settings = settings
        self.compresses = compresses
        folder = "converted-" + String(UInt64.random(in: 0 ... .max), radix: 36)
        path = directory + "/" + folder
        guard mkdir(path, 0o700) == 0 else {
            throw ImageError(system: SystemError.last("mkdir", path), "read docker archive")
        }
    }

    var content: LocalContent { LocalContent(files: files, names: names.byDigest) }

    func convert(_ image: SavedImage) throws(ImageError) -> ContentTree.Document {
        let subject = image.repoTags?.first ?? image.config
        for name in [image.config] + image.layers where !Self.isWithin(name) {
            throw ImageError(
                .hostile, "read", subject, "its manifest.json names \"\(name.prefix(200))\"")
        }
        let bytes = try files.read(image.config)
        let digest = digestOf(bytes)
        // Docker and podman name it by its digest.
        let named = Digest(hex: image.config.split(separator: "/").last?.prefix { $0 != "." } ?? "")
        guard digest == named ?? digest else {
            throw ImageError(
                .corrupt, "read", subject,
                "its configuration has the digest \(digest), its name promises another")
        }
        let config: ImageConfig
        do throws(DocumentError) {
            config = try ImageConfig(bytes, layerCount: image.layers.count)
        } catch {
            throw ImageError(error, "read configuration of", subject)
        }
        names.byDigest[digest] = image.config
        var layers: [Descriptor] = []
        for (file, diffID) in zip(image.layers, config.rootfs.diffIDs) {
            layers.append(try layer(file, diffID, subject))
        }
        let manifest = try ImageStore.encode(
            Manifest(
                mediaType: MediaType.manifest,
                config: Descriptor(
                    mediaType: MediaType.config, digest: digest, size: Int64(bytes.count)),
                layers: layers), subject)
        let document = try ContentTree.Document(
            manifest, mediaType: MediaType.manifest, subject)
        try keep(document)
        return document
    }

    /// Clamped to the archive, such a name would be that of another file.
    private static func isWithin(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix("/")
            && !name.split(separator: "/").contains { $0 == ".." }
    }

    private func keep(_ document: ContentTree.Document) throws(ImageError) {
        let digest = document.descriptor.digest
        do throws(SystemError) {
            try Files.writeAtomically(path + "/" + digest.hex, document.bytes, durable: false)
        } catch {
            throw ImageError(system: error, "read docker archive")
        }
        names.byDigest[digest] = folder + "/" + digest.hex
    }

    private func layer(_ name: String, _ diffID: Digest, _ subject: String) throws(ImageError)
        -> Descriptor
    {
        let file = try ArchiveFile(try files.open(name), name)
        do throws(LayerError) {
            let expansion = LayerExpansion(
                inflater: settings.inflater.makeEngine, limits: settings.limits)
            switch file.compression {
            case .none where compresses:
                _ = try expansion.run(
                    file.descriptor, size: file.size, digest: nil, diffID: diffID, to: nil)
                return try compressed(file)
            // Its digest is its diff id, and is checked when it is used.
            case .none: return described(name, MediaType.layer, diffID, file.size)
            case .gzip, .zstd:
                _ = try expansion.run(
                    file.descriptor, size: file.size, digest: nil, diffID: diffID, to: nil)
                let (digest, size) = try ImageStore.digest(of: file.descriptor)
                let type =
                    if case .gzip = file.compression { MediaType.layerGzip } else {
                        MediaType.layerZstd
                    }
                return described(name, type, digest, size)
            }
        } catch {
            throw error.imageError(layer: "\(name) of \(subject)", "read")
        }
    }

    private func described(_ name: String, _ type: String, _ digest: Digest, _ size: Int64)
        -> Descriptor
    {
        names.byDigest[digest] = name
        return Descriptor(mediaType: type, digest: digest, size: size)
    }

    private func compressed(_ file: ArchiveFile) throws(LayerError) -> Descriptor {
        let temporary = path + "/new"
        let target = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try Raw.check(target, "create")
        defer { close(target) }
        try GzipWriter.compress(file.descriptor, to: target, with: settings.inflater)
        let (digest, size) = try ImageStore.digest(of: target)
        try Raw.check(rename(temporary, path + "/" + digest.hex), "rename")
        return described(folder + "/" + digest.hex, MediaType.layerGzip, digest, size)
    }
}
