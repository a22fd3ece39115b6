internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Registry

extension LayerPull {
    /// Brings one layer to its staging directory; nil where another pull has stored it meanwhile.
    func bring(_ index: Int, _ pool: DownloadPool?) throws(ImageError) -> Staged? {
        let descriptor = image.manifest.layers[index]
        // Held while the blob is fetched and unpacked, never while anything else is waited for.
        let lock = try waitForLock(descriptor.digest)
        defer { withExtendedLifetime(lock) {} }
        if store.layers.find(image.diffIDs, index) != nil {
            if keepsBlobs, !store.blobs.has(descriptor) {
                try bringBlob(index, pool, lock) { file, download throws(LayerError) in
                    try BlobReader.verify(file, descriptor, download)
                }
            }
            return nil
        }
        if let staged = try bringFromStore(index) { return staged }
        return try bringBlob(index, pool, lock) { file, download throws(LayerError) in
            try self.apply(index, file, download)
        }
    }

    /// Brings the blob and has `body` use it and find its digests right; only then it gets its name, where it is to be kept.
    private func bringBlob<R>(
        _ index: Int, _ pool: DownloadPool?, _ lock: StoreLock,
        _ body: (Int32, BlobDownload?) throws(LayerError) -> R
    ) throws(ImageError) -> R {
        switch (supply, pool) {
        case (.files(let files, let names), _):
            return try read(index, files, names) { file throws(LayerError) in try body(file, nil) }
        case (.registry(_, let reference), let pool?):
            return try fetch(index, reference, pool, lock, body)
        case (.registry, nil), (.nothing, _):
            throw ImageError(
                .notFound, "use", image.name,
                "the layer \(image.manifest.layers[index].digest.short) is not in the store, or damaged",
                hint: "pull or import the image again")
        }
    }

    func waitForLock(_ digest: Digest) throws(ImageError) -> StoreLock {
        try StoreLock.wait(
            for: digest, store.paths,
            isStopped: { isCancelled() || state.quietly { $0.failure != nil } },
            pause: { time in _ = state.wait(seconds: time) { $0.failure } })
    }

    /// From the blob that an earlier pull left; a damaged one is dropped, and nil returned.
    private func bringFromStore(_ index: Int) throws(ImageError) -> Staged? {
        let descriptor = image.manifest.layers[index]
        guard let blob = store.blobs.open(descriptor.digest, size: descriptor.size) else {
            return nil
        }
        defer { close(blob) }
        state.quietly { $0.phases[index] = .unpacking }
        do throws(LayerError) {
            return try apply(index, blob, nil)
        } catch {
            guard error.kind == .corrupt else { throw named(error, index) }
            state.quietly { $0.phases[index] = .waiting }
            unlink(store.paths.blob(descriptor.digest))
            return nil
        }
    }

    /// From a file of this machine: copied first where the blob is kept, so that what is verified is what is kept.
    private func read<R>(
        _ index: Int, _ files: LocalFiles, _ names: [Digest: String],
        _ body: (Int32) throws(LayerError) -> R
    ) throws(ImageError) -> R {
        let descriptor = image.manifest.layers[index]
        guard let name = names[descriptor.digest] else {
            throw ImageError(
                .corrupt, "read", image.name, "the layer \(descriptor.digest) is missing")
        }
        let source = try files.open(name)
        let fd = source.raw
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_size == descriptor.size else {
            throw ImageError(
                .corrupt, "read", image.name,
                "\(name) has not the promised \(descriptor.size) bytes")
        }
        defer { withExtendedLifetime(source) {} }
        state.quietly { $0.phases[index] = .unpacking }
        do throws(LayerError) {
            guard keepsBlobs else { return try body(fd) }
            return try withNewBlob(descriptor.digest) { file throws(LayerError) in
                try Raw.copy(fd, to: file, count: descriptor.size)
                return try body(file)
            }
        } catch {
            throw named(error, index)
        }
    }

    /// A file in staging that gets a blob's name once `body` has used it and found its digest right.
    private func withNewBlob<R>(_ digest: Digest, _ body: (Int32) throws(LayerError) -> R)
        throws(LayerError) -> R
    {
        let temporary = use.temporary("blob")
        let file = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        try Raw.check(file, "create")
        defer { close(file) }
        do throws(LayerError) {
            let result = try body(file)
            try Raw.check(rename(temporary, store.paths.blob(digest)), "rename")
            return result
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Downloads, from where an interrupted pull ended, and uses what comes at once.
    private func fetch<R>(
        _ index: Int, _ reference: ImageReference, _ pool: DownloadPool, _ lock: StoreLock,
        _ body: (Int32, BlobDownload?) throws(LayerError) -> R
    ) throws(ImageError) -> R {
        let descriptor = image.manifest.layers[index]
        // Two that write to one file would cut and lengthen it under each other.
        let path =
            lock.excludesOthers
            ? store.paths.partial(descriptor.digest) : use.temporary("blob")
        while true {
            var download: BlobDownload?
            var reason: RegistryError?
            do throws(LayerError) {
                let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
                try Raw.check(file, "create")
                defer { close(file) }
                let begun = BlobDownload(
                    reference: reference, digest: descriptor.digest, size: descriptor.size,
                    descriptor: file, chunkSize: store.settings.registry.chunkSize)
                download = begun
                let result = try use(begun, index, file, pool, &reason, body)
                try Raw.check(ftruncate(file, off_t(descriptor.size)), "ftruncate")
                try Raw.check(rename(path, store.paths.blob(descriptor.digest)), "rename")
                return result
            } catch {
                // What a cut or a person ended, another pull goes on with; a full disk needs the room.
                if error.kind == .cancelled, reason?.isOfThisMachine != true {
                    throw reason.map { ImageError($0, "pull", image.name) } ?? named(error, index)
                }
                unlink(path)
                // Bytes of an earlier pull may have been lost with the machine's power.
                let mayBeStale = download.map { $0.resumed > 0 } ?? false
                if mayBeStale, error.isOfTheContent { continue }
                throw reason.map { ImageError($0, "pull", image.name) } ?? named(error, index)
            }
        }
    }

    /// `reason` is what ended the download, where that ended first.
    private func use<R>(
        _ download: BlobDownload, _ index: Int, _ file: Int32, _ pool: DownloadPool,
        _ reason: inout RegistryError?, _ body: (Int32, BlobDownload?) throws(LayerError) -> R
    ) throws(LayerError) -> R {
        let isFailed = state.withLock { state in
            state.downloads[index] = download
            state.phases[index] = .pulling
            return state.failure != nil
        }
        if isFailed { throw LayerError(.cancelled, "cancelled") }
        pool.add(download)
        // No transfer may write to the file once it is closed.
        defer { download.finish() }
        do throws(LayerError) {
            return try body(file, download)
        } catch {
            reason = download.reason
            download.fail(RegistryError(.cancelled, "pull", image.name, "its layer failed"))
            throw error
        }
    }

    private func apply(_ index: Int, _ blob: Int32, _ download: BlobDownload?) throws(LayerError)
        -> Staged
    {
        let descriptor = image.manifest.layers[index]
        let directory = use.temporary("layer")
        try Raw.check(mkdir(directory, 0o755), "mkdir")
        do throws(LayerError) {
            let source = LayerSource(
                digest: descriptor.digest, size: descriptor.size, diffID: image.diffIDs[index],
                descriptor: blob,
                download: download)
            let application = LayerApplication(
                form: store.form, inflater: store.settings.inflater, limits: store.settings.limits)
            return Staged(
                directory: directory,
                layer: try application.run(source, into: directory, isLowest: index == 0))
        } catch {
            // What cannot be removed now goes with the staging directory.
            try? TreeRemoval.remove(path: directory)
            throw error
        }
    }

    private func named(_ error: LayerError, _ index: Int) -> ImageError {
        error.imageError(
            layer:
                "layer \(index + 1) (\(image.manifest.layers[index].digest.short)) of \(image.name)"
        )
    }
}
