internal import Layers

extension ImageStore {
    /// Keeps an image where it is for `user` until `release`. False where a removal has taken something of it away meanwhile: bring
    /// it in again. A plain directory is nobody's to keep: true. Waits for removals to end. Blocks.
    public func hold(_ image: StoredImage, for user: ImageUser) throws(ImageError) -> Bool {
        try layers.hold(image, for: user)
    }

    /// Ends a use; fine where there is none.
    public func release(_ user: ImageUser) { uses.remove(user) }

    /// Ends every use of this server's jobs but those of `jobs`: what an earlier process of it did not take back.
    public func releaseJobs(of stateDirectory: String, but jobs: Set<Int64>) {
        uses.releaseJobs(of: stateDirectory, but: jobs)
    }
}
