public import OCISpec
public import Registry

/// Where the blobs of one image came from, for machines that get them there, too.
public final class ImageOrigin: Sendable {
    private let client: RegistryClient
    private let reference: ImageReference
    private let sharesLoopback: Bool

    init(_ client: RegistryClient, _ reference: ImageReference, sharesLoopback: Bool) {
        self.client = client
        self.reference = reference
        self.sharesLoopback = sharesLoopback
    }

    /// The places that have the blob and may be told, the one to ask first standing first. Asks them, so it blocks. Throws why there
    /// is none.
    public func locations(of digest: Digest) throws(RegistryError) -> [BlobLocation] {
        try client.locations(of: digest, in: reference, sharesLoopback: sharesLoopback)
    }
}

extension ImageStore {
    /// Nil for what came from a path.
    /// - Parameters:
    ///   - sharesLoopback: whether the other machine's loopback is this one's.
    ///   - isCancelled: asked several times a second while a registry is.
    public func origin(
        of image: StoredImage, sharesLoopback: Bool = false,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) -> ImageOrigin? {
        guard LocalPath(image.reference, environment: settings.registry.environment) == nil,
            let reference = try? ImageReference(image.reference)
        else { return nil }
        return ImageOrigin(
            client(PullOptions(isCancelled: isCancelled)), reference,
            sharesLoopback: sharesLoopback)
    }
}
