internal import Layers
internal import OCISpec

/// An image, or an index of several, with everything beneath it.
struct ContentTree: Sendable {
    struct Document: Sendable {
        var descriptor: Descriptor
        /// Exactly as they came.
        var bytes: [UInt8]
    }
    /// Manifests and indexes that the root names, each after those that it names itself.
    private(set) var inner: [Document] = []
    let root: Document
    /// Configurations and layers, each once. Foreign layers stand elsewhere, and go nowhere.
    private(set) var blobs: [Descriptor] = []
    private var seen: Set<Digest> = []

    /// Most indexes within each other, and most documents.
    private static let depthLimit = 3
    private static let documentLimit = 512

    /// Reads all documents from a source and checks them.
    init(_ root: Document, _ name: String, from source: some ContentSource) throws(ImageError) {
        self.root = root
        try add(root, name, depth: 1, source)
    }

    var documents: [Document] { inner + [root] }

    /// Whether the source has every blob.
    func isWhole(in source: some ContentSource) -> Bool { blobs.allSatisfy(source.has) }

    private mutating func add(
        _ document: Document, _ name: String, depth: Int, _ source: some ContentSource
    ) throws(ImageError) {
        switch try Self.decode(document, name) {
        case .manifest(let manifest):
            for blob in manifest.layers + [manifest.config]
            where !MediaType.isForeign(blob.mediaType) && seen.insert(blob.digest).inserted {
                blobs.append(blob)
            }
        case .index(let index):
            guard depth < Self.depthLimit else {
                throw ImageError(
                    .unsupported, "read index of", name,
                    "indexes within indexes, more than \(Self.depthLimit)")
            }
            for entry in index.manifests where seen.insert(entry.digest).inserted {
                guard inner.count < Self.documentLimit else {
                    throw ImageError(
                        .hostile, "read index of", name,
                        "it names more than \(Self.documentLimit) manifests")
                }
                let below = Document(
                    descriptor: entry, bytes: try source.checked(entry, name))
                try add(below, name, depth: depth + 1, source)
                inner.append(below)
            }
        }
    }

    static func decode(_ document: Document, _ name: String) throws(ImageError) -> ManifestDocument
    {
        do throws(DocumentError) {
            return try ManifestDocument(
                document.bytes, contentType: document.descriptor.mediaType, takesArtifacts: true)
        } catch {
            throw ImageError(error, "read manifest of", name)
        }
    }
}

extension ContentTree.Document {
    /// A document of which nothing but the bytes and what the transport called them is known.
    init(_ bytes: [UInt8], mediaType: String, _ name: String) throws(ImageError) {
        let known = MediaType.isIndex(mediaType) || MediaType.isManifest(mediaType)
        let document: ManifestDocument
        do throws(DocumentError) {
            document = try ManifestDocument(
                bytes, contentType: known ? mediaType : "", takesArtifacts: true)
        } catch {
            throw ImageError(error, "read manifest of", name)
        }
        let type =
            switch document {
            case .manifest(let manifest): manifest.mediaType ?? MediaType.manifest
            case .index(let index): index.mediaType ?? MediaType.index
            }
        self.init(
            descriptor: Descriptor(
                mediaType: known ? mediaType : type, digest: digestOf(bytes),
                size: Int64(bytes.count)),
            bytes: bytes)
    }

    /// The one image of this document that is for `platform`: itself where it is no index.
    func choose(_ platform: Platform, _ name: String, from source: some ContentSource)
        throws(ImageError) -> Self
    {
        var here = self
        while case .index(let index) = try ContentTree.decode(here, name) {
            guard let entry = index.choose(platform) else {
                throw ImageError(
                    .unsupported, "choose a platform of", name, "there is none for \(platform)",
                    hint:
                        "it has \(index.platforms.filter { !$0.hasPrefix("unknown") }.joined(separator: ", "))"
                )
            }
            here = Self(descriptor: entry, bytes: try source.checked(entry, name))
        }
        return here
    }
}
