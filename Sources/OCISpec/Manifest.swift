internal import FoundationEssentials

/// Where content is, and how to know that it is the right one (image-spec descriptor.md).
public struct Descriptor: Hashable, Sendable, Codable {
    public var mediaType: String
    public var digest: Digest
    /// Bytes.
    public var size: Int64
    public var platform: Platform?
    public var annotations: [String: String]?
    public var artifactType: String?
    public init(mediaType: String, digest: Digest, size: Int64, platform: Platform? = nil) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.platform = platform
    }
}

/// One image for one platform: its configuration and its layers, lowest first.
public struct Manifest: Hashable, Sendable, Codable {
    public var schemaVersion: Int
    public var mediaType: String?
    public var config: Descriptor
    public var layers: [Descriptor]
    public init(mediaType: String, config: Descriptor, layers: [Descriptor]) {
        schemaVersion = 2
        self.mediaType = mediaType
        self.config = config
        self.layers = layers
    }
}

/// A choice of images by platform.
public struct Index: Hashable, Sendable, Codable {
    public var schemaVersion: Int
    public var mediaType: String?
    public var manifests: [Descriptor]
    public init(mediaType: String = MediaType.index, manifests: [Descriptor]) {
        schemaVersion = 2
        self.mediaType = mediaType
        self.manifests = manifests
    }
}

/// Either document that a registry may answer with.
public enum ManifestDocument: Hashable, Sendable {
    case manifest(Manifest)
    case index(Index)

    /// Decodes the bytes. `contentType` is what the transport said they are, empty where it said nothing.
    ///
    /// Refuses a document that has both layers and manifests, and one whose own media type is another than the
    /// transport's: both could be read in two ways (CVE-2021-41190). `takesArtifacts` lets anything be a layer: attestations,
    /// charts, whatever else is only carried from one place to another.
    public init(
        _ bytes: some Collection<UInt8>, contentType: String = "", takesArtifacts: Bool = false
    ) throws(DocumentError) {
        let data = Data(bytes)
        // The decoder's error speaks of Swift types.
        guard let shape = try? JSONDecoder().decode(Shape.self, from: data) else {
            throw DocumentError("manifest", "it is no JSON manifest")
        }
        let transport = MediaType.withoutParameters(contentType)
        if shape.schemaVersion == 1 || MediaType.isSchema1(transport) {
            throw DocumentError(
                "manifest", "Docker schema 1 is too old; push the image again with a current tool")
        }
        guard shape.schemaVersion == 2 else {
            throw DocumentError("manifest", "schemaVersion is not 2")
        }
        let isKnown = MediaType.isIndex(transport) || MediaType.isManifest(transport)
        if let own = shape.mediaType, isKnown, own != transport {
            throw DocumentError(
                "manifest", "it says \(own.prefix(80)), the registry says \(transport)")
        }
        let hasIndex = shape.manifests != nil
        let hasImage = shape.config != nil || shape.layers != nil
        guard hasIndex != hasImage else {
            throw DocumentError(
                "manifest",
                hasIndex
                    ? "it has both layers and manifests" : "it has neither layers nor manifests")
        }
        let type = shape.mediaType ?? (isKnown ? transport : nil)
        if let type, hasIndex ? !MediaType.isIndex(type) : !MediaType.isManifest(type) {
            throw DocumentError(
                "manifest", "its content does not match its media type \(type.prefix(80))")
        }
        self =
            hasIndex
            ? .index(try Self.decode("index", data))
            : .manifest(try Self.checked(data, takesArtifacts))
    }

    private static func checked(_ data: Data, _ takesArtifacts: Bool) throws(DocumentError)
        -> Manifest
    {
        let manifest: Manifest = try decode("manifest", data)
        guard manifest.layers.count <= OCISpec.layerLimit else {
            throw DocumentError(
                "manifest",
                "it has \(manifest.layers.count) layers; \(OCISpec.layerLimit) are allowed")
        }
        if !takesArtifacts,
            let layer = manifest.layers.first(where: { !MediaType.isLayer($0.mediaType) })
        {
            throw DocumentError(
                "manifest",
                "a layer of type \(layer.mediaType.prefix(80)): this is no container image")
        }
        let sizes = [manifest.config.size] + manifest.layers.map(\.size)
        guard sizes.allSatisfy((0...OCISpec.blobLimit).contains) else {
            throw DocumentError(
                "manifest", "a size is not between 0 and \(OCISpec.blobLimit) bytes")
        }
        return manifest
    }

    static func decode<T: Decodable>(_ name: String, _ data: Data) throws(DocumentError) -> T {
        do {
            return try JSONDecoder().decode(T.self, from: data)
        } catch {
            throw DocumentError(name, Self.explain(error))
        }
    }

    private static func explain(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "it cannot be read" }
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
            return path.isEmpty ? "" : " at " + path.joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context): "\(key.stringValue) is missing\(place(context))"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "wrong type\(place(context))"
        case .dataCorrupted(let context): "\(context.debugDescription)\(place(context))"
        @unknown default: "it cannot be read"
        }
    }

    private struct Shape: Decodable {
        struct Anything: Decodable {
            init(from decoder: any Decoder) throws {}
        }
        var schemaVersion: Int?
        var mediaType: String?
        var config: Anything?
        var layers: Anything?
        var manifests: Anything?
    }
}

/// The exact bytes of a document, with keys in a fixed order so that equal documents have equal digests.
public enum DocumentEncoder {
    public static func bytes(_ document: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(document))
    }
}
