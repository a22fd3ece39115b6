internal import Layers

extension ImageStore {
    /// Drops images that nobody uses, and every blob and layer that nothing needs. What a job or a mount uses stays. Waits for pulls
    /// to end. Blocks.
    public func prune(_ options: PruneOptions) throws(ImageError) -> RemovalSummary {
        try layers.prune(options)
    }
}
