/// The documents of the Open Container Initiative, as values: references, digests, descriptors, manifests, indexes,
/// image configurations and the choice of a platform.
///
/// Owns what image-spec 1.1 and Docker's image manifest schema 2 say, with Docker's rules for short names. Pure: no files,
/// no sockets, no clock; of Foundation only the JSON coder. Every document is decoded from the exact bytes whose digest was
/// checked, and refused where it could be read in two ways. Start with `ImageReference.swift`, then `Manifest.swift`.
public enum OCISpec {
    /// Greatest size in bytes of a manifest, index or image configuration (distribution-spec: 4 MiB should be supported).
    public static let documentLimit = 4 << 20
    /// Greatest size in bytes of a blob that a descriptor may promise: 1 TiB, so that no sum of sizes overflows.
    public static let blobLimit: Int64 = 1 << 40
    /// Most layers in an image: what Docker allows, and well below what an overlay mount takes.
    public static let layerLimit = 127
}

/// A document that says something no specification allows, or that could be read in two ways.
public struct DocumentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `manifest`, `index`, `image configuration`.
    public let document: String
    public let reason: String
    public init(_ document: String, _ reason: String) {
        self.document = document
        self.reason = reason
    }
    public var description: String { "\(document): \(reason)" }
}
