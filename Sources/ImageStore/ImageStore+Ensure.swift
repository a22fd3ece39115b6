internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Registry

extension ImageStore {
    /// Brings an image in and unpacks what is missing of it; returns at once where everything is here.
    ///
    /// `reference` is an image reference, or a path (beginning with `/`, `./`, `../` or `~/`) of an OCI layout, a Docker or OCI
    /// archive, a tar of a root filesystem, or a plain directory. Blocks: call it on a thread of its own.
    public func ensure(
        _ reference: String, options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) throws(ImageError) -> StoredImage {
        if let path = LocalPath(reference, environment: settings.registry.environment) {
            return try ensureLocal(path, options: options, progress: progress)
        }
        let reference = try Self.parse(reference)
        if options.policy != .always, let image = ready(reference, options.platform) {
            return image
        }
        guard options.policy != .never else {
            throw ImageError(
                .notFound, "use", reference.description, "it is not in the store",
                hint: "martlet image pull \(reference.familiar)")
        }
        return try pull(reference, options, progress)
    }

    static func parse(_ text: String) throws(ImageError) -> ImageReference {
        do throws(ReferenceError) {
            return try ImageReference(text)
        } catch {
            throw ImageError(
                .malformed, "image reference", text.isEmpty ? "\"\"" : "\"\(text.prefix(300))\"",
                error.reason,
                hint: error.hint)
        }
    }

    /// The image where all of it is in the store, without asking anybody.
    func ready(_ reference: ImageReference, _ platform: Platform) -> StoredImage? {
        let name = reference.description
        guard let digest = reference.digest ?? references.get(name)?.resolved,
            let image = known(name, digest, platform: platform), let paths = unpacked(image)
        else { return nil }
        return image.stored(paths)
    }

    /// The directories of all layers; nil where one is missing.
    func unpacked(_ image: ResolvedImage) -> [String]? {
        let paths = image.diffIDs.indices.compactMap { layers.find(image.diffIDs, $0) }
        return paths.count == image.diffIDs.count ? paths : nil
    }

    private func pull(
        _ reference: ImageReference, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let name = reference.description
        let use = try StoreUse(paths, form)
        defer { use.close() }
        progress(PullProgress(phase: .resolving, reference: name))
        let client = RegistryClient(
            settings: settings.registry, insecure: options.insecure,
            isCancelled: options.isCancelled)
        let image = try resolve(reference, client, options.platform)
        let pull = LayerPull(
            self, use, image, supply: .registry(client, reference), keepsBlobs: true,
            isCancelled: options.isCancelled, progress: progress)
        let stored = image.stored(try pull.run())
        try references.put(
            ReferenceRecord(
                reference: name, manifest: image.manifestDigest, resolved: image.resolved,
                created: Self.milliseconds(), origin: nil))
        flushLater()
        return stored
    }

    private func resolve(
        _ reference: ImageReference, _ client: RegistryClient, _ platform: Platform
    ) throws(ImageError) -> ResolvedImage {
        let name = reference.description
        let first: ManifestAnswer
        do throws(RegistryError) {
            if let digest = reference.digest, let bytes = blobs.document(digest) {
                first = ManifestAnswer(bytes: bytes, contentType: "", digest: digest)
            } else {
                first = try client.manifest(reference)
            }
        } catch {
            throw ImageError(error, "pull", name)
        }
        let digest = digestOf(first.bytes)
        guard digest == reference.digest ?? first.digest ?? digest else {
            throw ImageError(
                .corrupt, "pull", name,
                "the manifest's digest is \(digest), promised was \(reference.digest ?? first.digest ?? digest)"
            )
        }
        return try resolve(name, first.bytes, contentType: first.contentType, platform: platform) {
            descriptor throws(ImageError) in
            do throws(RegistryError) {
                let isManifest =
                    MediaType.isManifest(descriptor.mediaType)
                    || MediaType.isIndex(descriptor.mediaType)
                return isManifest
                    ? try client.manifest(reference, digest: descriptor.digest).bytes
                    : try client.smallBlob(reference, descriptor.digest)
            } catch {
                throw ImageError(error, "pull", name)
            }
        }
    }

    static func milliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    /// Has the layers written to the disk without anybody waiting for it; until then a crash of the machine makes them
    /// doubtful, and they are unpacked again.
    func flushLater() {
        let layers = layers
        _ = WorkerThread("flush") { layers.flush() }
    }
}
