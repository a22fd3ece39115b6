internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

extension ImageStore {
    /// Keeps an image where it is for `user` until `release`. False where a removal has taken something of it away meanwhile: bring
    /// it in again. A plain directory is nobody's to keep: true. Waits for removals to end. Blocks.
    public func hold(_ image: StoredImage, for user: ImageUser) throws(ImageError) -> Bool {
        guard let manifest = image.digest.flatMap({ Digest($0) }) else { return true }
        let lock: SharedLock
        do throws(SystemError) {
            try paths.make(form)
            lock = try SharedLock.take(paths.storeLock) {}
        } catch {
            throw ImageError(system: error, "use \(image.reference)")
        }
        defer { withExtendedLifetime(lock) {} }
        guard image.layers.allSatisfy(Files.exists) else { return false }
        try uses.put(
            ImageUse(
                user: user, host: StoreNode.hostName, reference: image.reference,
                manifest: manifest))
        references.touch(image.reference)
        return true
    }

    /// Ends a use; fine where there is none.
    public func release(_ user: ImageUser) { uses.remove(user) }

    /// Ends every use of this server's jobs but those of `jobs`: what an earlier process of it did not take back.
    public func releaseJobs(of stateDirectory: String, but jobs: Set<Int64>) {
        uses.sweep { use in
            guard case .job(let id, stateDirectory) = use.user else { return false }
            return !jobs.contains(id)
        }
    }
}
