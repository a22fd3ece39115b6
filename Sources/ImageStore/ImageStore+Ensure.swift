extension ImageStore {
    /// Brings an image in and unpacks what is missing of it; returns at once where everything is here.
    ///
    /// `reference` is an image reference, or a path (beginning with `/`, `./`, `../` or `~/`) of an OCI layout, a Docker or OCI
    /// archive, a tar of a root filesystem, or a plain directory. Blocks: call it on a thread of its own.
    public func ensure(
        _ reference: String, options: PullOptions = PullOptions(),
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) throws(ImageError) -> StoredImage {
        throw ImageError(.unsupported, "pull", reference, "not built yet")
    }
}
