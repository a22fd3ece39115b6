internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Registry
internal import Threads

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
        if options.policy != .always {
            if let image = try ready(reference, options, progress) { return image }
        }
        guard options.policy != .never else {
            throw ImageError(
                .notFound, "use", reference.description, "it is not in the store",
                hint: "martlet image pull \(reference.familiar)")
        }
        return try pull(reference, options, progress)
    }

    /// The same for a job: its image stays in the store under its digest, whatever its tag comes to mean later.
    public func ensurePinned(
        _ reference: String, progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) throws(ImageError) -> StoredImage {
        let image = try ensure(reference, progress: progress)
        // A path has no other name.
        guard let digest = image.digest.flatMap({ Digest($0) }),
            let parsed = try? ImageReference(reference)
        else { return image }
        return try ensure(parsed.pinned(to: digest).description)
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

    /// The image where all of it is in the store, without asking anybody what the name means now; nil where something is missing.
    /// A layer that has only its blob (or may have lost some of its files when the machine went down) is unpacked again.
    private func ready(
        _ reference: ImageReference, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage? {
        guard let image = here(reference, options.platform) else { return nil }
        let isRemembered = references.get(reference.description) != nil
        if isRemembered, let paths = unpacked(image) {
            references.touch(reference.description)
            return image.stored(paths)
        }
        let use = try StoreUse(paths, form)
        defer { use.close() }
        // A removal may have come between.
        guard let image = here(reference, options.platform) else { return nil }
        let supply: any BlobSupply =
            options.policy == .never
            ? NoSupply(image: image.name)
            : RegistrySupply(client(options), reference, settings)
        let stored = try bring(image, use, supply, keeping: .fetched, options, progress)
        if !isRemembered { try remember(image) }
        return stored
    }

    /// What the store knows of the image, where each layer is unpacked or has its blob.
    private func here(_ reference: ImageReference, _ platform: Platform) -> ResolvedImage? {
        let name = reference.description
        guard let digest = reference.digest ?? references.get(name)?.resolved,
            let image = known(name, digest, platform: platform)
        else { return nil }
        let isWhole = image.diffIDs.indices.allSatisfy {
            layers.find(image.diffIDs, $0) != nil || blobs.has(image.manifest.layers[$0])
        }
        return isWhole ? image : nil
    }

    func client(_ options: PullOptions) -> RegistryClient {
        RegistryClient(
            settings: settings.registry, insecure: options.insecure,
            isCancelled: options.isCancelled)
    }

    /// The directories of all layers; nil where one is missing.
    func unpacked(_ image: ResolvedImage) -> [String]? {
        let paths = image.diffIDs.indices.compactMap { layers.find(image.diffIDs, $0) }
        return paths.count == image.diffIDs.count ? paths : nil
    }

    func pull(
        _ reference: ImageReference, _ options: PullOptions,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let name = reference.description
        let use = try StoreUse(paths, form)
        defer { use.close() }
        progress(PullProgress(phase: .resolving, reference: name))
        // One pull of a name at a time, in whatever process: what it asked for and brought, the others find here.
        let lock = try StoreLock.wait(
            for: digestOf("reference \(name)".utf8), paths, isStopped: options.isCancelled)
        defer { withExtendedLifetime(lock) {} }
        let client = client(options)
        let image = try resolve(reference, client, options.platform)
        let stored = try bring(
            image, use, RegistrySupply(client, reference, settings), keeping: .all, options,
            progress)
        try remember(image)
        return stored
    }

    /// Brings the layers in whose documents are here.
    func bring(
        _ image: ResolvedImage, _ use: StoreUse, _ supply: any BlobSupply, keeping: BlobKeeping,
        _ options: PullOptions, _ progress: @escaping @Sendable (PullProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let pull = LayerPull(
            layers, use, image, supply: supply, keeping: keeping,
            isCancelled: options.isCancelled, progress: progress)
        let stored = image.stored(try pull.run())
        flushLater()
        return stored
    }

    func remember(_ image: ResolvedImage) throws(ImageError) {
        try references.put(
            ReferenceRecord(
                reference: image.name, manifest: image.manifestDigest, resolved: image.resolved,
                created: Self.milliseconds(), origin: nil))
    }

    private func resolve(
        _ reference: ImageReference, _ client: RegistryClient, _ platform: Platform
    ) throws(ImageError) -> ResolvedImage {
        let name = reference.description
        let first: ManifestAnswer
        do throws(RegistryError) {
            if let digest = reference.digest, let bytes = blobs.document(digest) {
                first = ManifestAnswer(bytes: bytes, contentType: "", digest: digest)
            } else if let known = try unchanged(reference, client) {
                first = known
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

    /// The document that the tag named before, where it still does: asking costs nothing of Docker Hub's limit.
    private func unchanged(_ reference: ImageReference, _ client: RegistryClient)
        throws(RegistryError) -> ManifestAnswer?
    {
        guard reference.digest == nil, references.get(reference.description) != nil,
            let digest = try client.manifestDigest(reference),
            let bytes = blobs.document(digest)
        else { return nil }
        return ManifestAnswer(bytes: bytes, contentType: "", digest: digest)
    }

    static func milliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    /// Has the layers written to the disk without anybody waiting for it; until then a crash of the machine makes them
    /// doubtful, and they are unpacked again.
    func flushLater() {
        guard settings.flushes else { return }
        // Without a thread the layers stay in doubt until the next flush.
        _ = try? WorkerThread("flush") { self.flush() }
    }

    /// The same at once, for a process of its own, and then keeps the store within its budget. Blocks until the disk has everything.
    public func flush() {
        layers.flush()
        guard let budget = settings.budget else { return }
        // What cannot be dropped now can be after the next pull.
        _ = try? prune(PruneOptions(budget: budget))
    }
}
