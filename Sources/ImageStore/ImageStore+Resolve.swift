internal import Layers
internal import OCISpec

/// Where documents that are not in the store come from; nil where they are not to be had there.
typealias DocumentSource = (Descriptor) throws(ImageError) -> [UInt8]

extension ImageStore {
    /// Most indexes within each other.
    private static let indexDepth = 3

    /// Follows a manifest or index down to one image for the platform, checks every digest and size, and keeps the documents.
    func resolve(
        _ name: String, _ first: [UInt8], contentType: String, platform: Platform,
        from source: DocumentSource
    ) throws(ImageError) -> ResolvedImage {
        let resolved = digestOf(first)
        var bytes = first
        var type = contentType
        var digest = resolved
        for _ in 0..<Self.indexDepth {
            let document = try decode(bytes, type, name)
            try blobs.put(bytes, digest)
            switch document {
            case .manifest(let manifest):
                let config = try self.config(of: manifest, name, platform, source)
                return ResolvedImage(
                    name: name, manifestDigest: digest, manifest: manifest, config: config,
                    resolved: resolved)
            case .index(let index):
                guard let choice = index.choose(platform) else {
                    throw ImageError(
                        .unsupported, "choose a platform of", name, "there is none for \(platform)",
                        hint:
                            "it has \(index.platforms.filter { !$0.hasPrefix("unknown") }.joined(separator: ", "))"
                    )
                }
                bytes = try checked(choice, name, source)
                type = choice.mediaType
                digest = choice.digest
            }
        }
        throw ImageError(
            .unsupported, "read index of", name,
            "indexes within indexes, more than \(Self.indexDepth)")
    }

    private func decode(_ bytes: [UInt8], _ type: String, _ name: String) throws(ImageError)
        -> ManifestDocument
    {
        do throws(DocumentError) {
            return try ManifestDocument(bytes, contentType: type)
        } catch {
            throw ImageError(error, "read manifest of", name)
        }
    }

    /// A document by descriptor: from the store where it is here, else from the source; of the promised size and digest.
    private func checked(
        _ descriptor: Descriptor, _ name: String, _ source: DocumentSource
    ) throws(ImageError) -> [UInt8] {
        if let bytes = blobs.document(descriptor.digest) { return bytes }
        guard descriptor.size <= Int64(OCISpec.documentLimit) else {
            throw ImageError(
                .hostile, "read", name,
                "a document of \(descriptor.size) bytes; \(OCISpec.documentLimit) are allowed")
        }
        let bytes = try source(descriptor)
        guard Int64(bytes.count) == descriptor.size, digestOf(bytes) == descriptor.digest else {
            throw ImageError(
                .corrupt, "fetch \(descriptor.digest.short) of", name,
                "\(bytes.count) bytes with the digest \(digestOf(bytes)) came, \(descriptor.size) with \(descriptor.digest) were promised"
            )
        }
        return bytes
    }

    private func config(
        of manifest: Manifest, _ name: String, _ platform: Platform, _ source: DocumentSource
    ) throws(ImageError) -> ImageConfig {
        let bytes = try checked(manifest.config, name, source)
        let config: ImageConfig
        do throws(DocumentError) {
            config = try ImageConfig(bytes, layerCount: manifest.layers.count)
        } catch {
            throw ImageError(error, "read configuration of", name)
        }
        // An index may name a platform that the image is not made for.
        guard platform.runs(config.platform) else {
            throw ImageError(
                .unsupported, "use", name, "it is made for \(config.platform), not for \(platform)")
        }
        try blobs.put(bytes, manifest.config.digest)
        return config
    }

    /// What the store itself knows of a record's image, for whatever platform it is; nil where a document is missing.
    func known(_ record: ReferenceRecord) -> ResolvedImage? { blobs.image(record) }

    /// What the store itself knows of a manifest or index; nil where a document is missing.
    func known(_ name: String, _ digest: Digest, platform: Platform) -> ResolvedImage? {
        guard let bytes = blobs.document(digest) else { return nil }
        // Whatever is wrong with it, asking the registry will say it better.
        return try? resolve(name, bytes, contentType: "", platform: platform) {
            descriptor throws(ImageError) in
            throw ImageError(.notFound, "find", descriptor.digest.short, "it is not in the store")
        }
    }
}
