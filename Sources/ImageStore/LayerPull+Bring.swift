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
        if store.layers.find(image.diffIDs, index) != nil { return nil }
        if let staged = try bringFromStore(index) { return staged }
        switch supply {
        case .files(let files):
            guard let path = files[descriptor.digest] else {
                throw ImageError(
                    .corrupt, "read", image.name, "the layer \(descriptor.digest) is missing")
            }
            return try bringFile(path, index)
        case .registry(_, let reference):
            guard let pool else {
                throw ImageError(.system, "pull", image.name, "no connection for a damaged layer")
            }
            return try fetch(index, reference, pool)
        }
    }

    func waitForLock(_ digest: Digest) throws(ImageError) -> StoreLock {
        do throws(SystemError) {
            while true {
                if let lock = try StoreLock.attempt(store.paths.lock(digest)) { return lock }
                let failure = state.wait(seconds: 0.05) { $0.failure }
                if let failure { throw SystemError("wait", failure.step, errno: ECANCELED) }
                if isCancelled() { throw SystemError("wait", errno: ECANCELED) }
            }
        } catch {
            if error.errno == ECANCELED {
                throw ImageError(.cancelled, "pull", image.name, "cancelled")
            }
            throw ImageError(system: error, "lock \(digest.short)")
        }
    }

    /// From the blob that an earlier pull left; a damaged one is dropped, and nil returned.
    private func bringFromStore(_ index: Int) throws(ImageError) -> Staged? {
        let descriptor = image.manifest.layers[index]
        guard let blob = store.blobs.open(descriptor.digest, size: descriptor.size) else {
            return nil
        }
        defer { close(blob) }
        state.quietly { $0.bytesHere += descriptor.size }
        do throws(LayerError) {
            return try apply(index, blob, nil)
        } catch {
            guard error.kind == .corrupt else { throw named(error, index) }
            state.quietly { $0.bytesHere -= descriptor.size }
            unlink(store.paths.blob(descriptor.digest))
            return nil
        }
    }

    private func bringFile(_ path: String, _ index: Int) throws(ImageError) -> Staged {
        let descriptor = image.manifest.layers[index]
        let blob = open(path, O_RDONLY | O_CLOEXEC)
        guard blob >= 0 else {
            throw ImageError(system: SystemError.last("open", path), "read \(image.name)")
        }
        defer { close(blob) }
        var status = stat()
        guard fstat(blob, &status) == 0, status.st_size == descriptor.size else {
            throw ImageError(
                .corrupt, "read", image.name,
                "\(path) has not the promised \(descriptor.size) bytes")
        }
        state.quietly { $0.bytesHere += descriptor.size }
        do throws(LayerError) {
            let staged = try apply(index, blob, nil)
            if keepsBlobs { try keepCopy(of: blob, descriptor.digest) }
            return staged
        } catch {
            throw named(error, index)
        }
    }

    private func keepCopy(of blob: Int32, _ digest: Digest) throws(LayerError) {
        guard !store.blobs.has(digest) else { return }
        let temporary = use.temporary("blob")
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        try Raw.check(file, "create")
        defer { close(file) }
        try Raw.check(Int32(clamping: lseek(blob, 0, SEEK_SET)), "lseek")
        try Raw.copy(blob, to: file)
        try Raw.check(rename(temporary, store.paths.blob(digest)), "rename")
    }

    /// Downloads and unpacks at once; the blob gets its name only when both digests were right.
    private func fetch(
        _ index: Int, _ reference: ImageReference, _ pool: DownloadPool
    ) throws(ImageError) -> Staged {
        let descriptor = image.manifest.layers[index]
        let temporary = use.temporary("blob")
        let file = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else {
            throw ImageError(system: SystemError.last("create", temporary), "pull \(image.name)")
        }
        defer { close(file) }
        let download = BlobDownload(
            reference: reference, digest: descriptor.digest, size: descriptor.size,
            descriptor: file,
            chunkSize: store.settings.registry.chunkSize)
        let isFailed = state.withLock { state in
            state.downloads.append(download)
            return state.failure != nil
        }
        if isFailed { throw ImageError(.cancelled, "pull", image.name, "cancelled") }
        pool.add(download)
        // No transfer may write to the file once it is closed.
        defer { download.finish() }
        do throws(LayerError) {
            let staged = try apply(index, file, download)
            try Raw.check(rename(temporary, store.paths.blob(descriptor.digest)), "rename")
            return staged
        } catch {
            let failure = download.reason
            download.fail(RegistryError(.cancelled, "pull", image.name, "its layer failed"))
            unlink(temporary)
            if let failure { throw ImageError(failure, "pull", image.name) }
            throw named(error, index)
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
