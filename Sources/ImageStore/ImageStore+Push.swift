internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Registry

extension ImageStore {
    /// Sends an image of the store to its registry, or under another name: what the registry has already is not sent, layers go
    /// byte for byte as they came, the manifest last. Returns the manifest's digest. Blocks.
    ///
    /// Of a multi-platform image the one platform that is here is sent.
    public func push(
        _ source: String, to target: String? = nil, options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (PushProgress) -> Void = { _ in }
    ) throws(ImageError) -> String {
        let name = try Self.parse(source)
        let destination = try target.map { text throws(ImageError) in try Self.parse(text) } ?? name
        let image = try stored(name, options.platform)
        let use = try StoreUse(paths, form)
        defer { use.close() }
        let client = RegistryClient(
            settings: settings.registry, insecure: options.insecure,
            isCancelled: options.isCancelled)
        var seen: Set<Digest> = []
        let parts = (image.manifest.layers + [image.manifest.config]).filter {
            seen.insert($0.digest).inserted
        }
        for (index, part) in parts.enumerated() {
            progress(
                PushProgress(
                    reference: destination.description, blob: index + 1, blobs: parts.count,
                    bytes: part.size))
            try send(part, of: name, to: destination, client)
        }
        guard let bytes = blobs.document(image.manifestDigest) else {
            throw ImageError(
                .corrupt, "push", name.description, "its manifest is damaged", hint: "pull it again"
            )
        }
        do throws(RegistryError) {
            // What is sent is this manifest, whatever the name was resolved to.
            let place =
                destination.tag == nil
                ? destination.pinned(to: image.manifestDigest) : destination.withoutDigest
            try client.putManifest(
                place, bytes, mediaType: image.manifest.mediaType ?? MediaType.manifest)
        } catch {
            throw ImageError(error, "push", destination.description)
        }
        return image.manifestDigest.description
    }

    private func send(
        _ part: Descriptor, of name: ImageReference, to destination: ImageReference,
        _ client: RegistryClient
    ) throws(ImageError) {
        guard let file = blobs.open(part.digest, size: part.size) else {
            throw ImageError(
                .notFound, "push", name.description,
                "the blob \(part.digest.short) is not in the store",
                hint: "pull or import the image again")
        }
        defer { close(file) }
        do throws(RegistryError) {
            if try client.hasBlob(destination, part.digest) { return }
            try client.upload(destination, part.digest, size: part.size, descriptor: file)
        } catch {
            throw ImageError(error, "push", destination.description)
        }
    }

    func stored(_ reference: ImageReference, _ platform: Platform) throws(ImageError)
        -> ResolvedImage
    {
        let name = reference.description
        // What was brought in under the name, for whatever platform; a digest may never have been asked for by this name.
        let recorded = references.get(name).flatMap { known($0) }
        guard
            let image = recorded
                ?? reference.digest.flatMap({ known(name, $0, platform: platform) })
        else {
            throw ImageError(
                .notFound, "find", name, "it is not in the store",
                hint: "martlet image ls shows what is")
        }
        return image
    }
}

/// What is being sent.
public struct PushProgress: Sendable, Hashable {
    public var reference: String
    /// From 1 to `blobs`.
    public var blob: Int
    public var blobs: Int
    /// Of this blob.
    public var bytes: Int64
}
