internal import LinuxSystem
internal import OCISpec

extension LayerStore {
    /// Keeps an image where it is for `user` until `release`. False where a removal has taken something of it away meanwhile: bring
    /// it in again. A plain directory is nobody's to keep: true. Waits for removals to end. Blocks.
    package func hold(_ image: StoredImage, for user: ImageUser) throws(ImageError) -> Bool {
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
}
