public import OCISpec

/// An image that is ready to be mounted.
public struct StoredImage: Sendable, Hashable {
    /// The normalised reference, or the path that it was read from.
    public var reference: String
    /// Digest of the manifest; nil for a plain directory.
    public var digest: String?
    /// Absolute directories, lowest first, in overlay form. One listed twice in the image stands here once.
    public var layers: [String]
    /// What the image says of the process.
    public var process: ImageProcess
    public init(reference: String, digest: String?, layers: [String], process: ImageProcess) {
        self.reference = reference
        self.digest = digest
        self.layers = layers
        self.process = process
    }
}
