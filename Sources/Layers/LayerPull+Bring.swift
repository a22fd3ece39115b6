internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Threads

extension LayerPull {
    /// Brings one layer to its staging directory; nil where another pull has stored it meanwhile.
    func bring(_ index: Int) throws(ImageError) -> Staged? {
        let descriptor = image.manifest.layers[index]
        // Held while the blob is fetched and unpacked, never while anything else is waited for.
        let lock = try waitForLock(descriptor.digest)
        defer { withExtendedLifetime(lock) {} }
        if store.find(image.diffIDs, index) != nil {
            if keeping == .all, !store.blobs.has(descriptor) {
                try bringBlob(index, lock) { file, arrival throws(LayerError) in
                    try BlobReader.verify(file, descriptor, arrival)
                }
            }
            return nil
        }
        if let staged = try bringFromStore(index) { return staged }
        return try bringBlob(index, lock) { file, arrival throws(LayerError) in
            try self.apply(index, file, arrival)
        }
    }

    /// Brings the blob and has `body` use it and find its digests right; only then it gets its name, where it is to be kept.
    private func bringBlob<R>(
        _ index: Int, _ lock: StoreLock,
        _ body: (Int32, (any BlobArrival)?) throws(LayerError) -> R
    ) throws(ImageError) -> R {
        guard let file = try supply.file(image.manifest.layers[index]) else {
            return try fetch(index, lock, body)
        }
        return try read(index, file) { file throws(LayerError) in try body(file, nil) }
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
        _ index: Int, _ source: borrowing OwnedFD, _ body: (Int32) throws(LayerError) -> R
    ) throws(ImageError) -> R {
        let descriptor = image.manifest.layers[index]
        let fd = source.raw
        state.quietly { $0.phases[index] = .unpacking }
        do throws(LayerError) {
            guard keeping == .all else { return try body(fd) }
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

    /// Has it come, from where an interrupted pull ended, and uses what comes at once.
    private func fetch<R>(
        _ index: Int, _ lock: StoreLock,
        _ body: (Int32, (any BlobArrival)?) throws(LayerError) -> R
    ) throws(ImageError) -> R {
        let descriptor = image.manifest.layers[index]
        // Two that write to one file would cut and lengthen it under each other.
        let path =
            lock.excludesOthers
            ? store.paths.partial(descriptor.digest) : use.temporary("blob")
        while true {
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
            guard file >= 0 else { throw named(LayerError(system: errno, "create"), index) }
            defer { close(file) }
            let arrival = try supply.begin(descriptor, in: file)
            var failure: BlobFailure?
            do throws(LayerError) {
                let result = try use(arrival, index, file, &failure, body)
                try keep(descriptor, file, at: path)
                return result
            } catch {
                // What a cut or a person ended, another pull goes on with; a full disk needs the room.
                if error.kind == .cancelled, failure?.isOfThisMachine != true {
                    throw failure?.error ?? named(error, index)
                }
                unlink(path)
                // Bytes of an earlier pull may have been lost with the machine's power; others may have had other bytes.
                if error.isOfTheContent, arrival.resumed > 0 || arrival.hasAlternative { continue }
                throw failure?.error ?? named(error, index)
            }
        }
    }

    private func keep(_ blob: Descriptor, _ file: Int32, at path: String) throws(LayerError) {
        guard keeping != .none else {
            unlink(path)
            return
        }
        try Raw.check(ftruncate(file, off_t(blob.size)), "ftruncate")
        try Raw.check(rename(path, store.paths.blob(blob.digest)), "rename")
    }

    /// `failure` is what ended the arrival, where that ended first.
    private func use<R>(
        _ arrival: any BlobArrival, _ index: Int, _ file: Int32, _ failure: inout BlobFailure?,
        _ body: (Int32, (any BlobArrival)?) throws(LayerError) -> R
    ) throws(LayerError) -> R {
        let isFailed = state.withLock { state in
            state.arrivals[index] = arrival
            state.phases[index] = .pulling
            return state.failure != nil
        }
        // Nobody may write to the file once it is closed.
        defer { arrival.finish() }
        do throws(LayerError) {
            if isFailed { throw LayerError(.cancelled, "cancelled") }
            return try body(file, arrival)
        } catch {
            failure = arrival.failure
            arrival.stop(because: "its layer failed")
            throw error
        }
    }

    private func apply(
        _ index: Int, _ blob: Int32, _ arrival: (any BlobArrival)?
    ) throws(LayerError) -> Staged {
        let descriptor = image.manifest.layers[index]
        let directory = use.temporary("layer")
        try Raw.check(mkdir(directory, 0o755), "mkdir")
        do throws(LayerError) {
            let source = LayerSource(
                digest: descriptor.digest, size: descriptor.size, diffID: image.diffIDs[index],
                descriptor: blob,
                arrival: arrival)
            let application = LayerApplication(
                form: store.form, inflater: store.settings.makeInflater,
                limits: store.settings.limits)
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
