internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Registry

/// One image of the store, as `image ls` shows it.
public struct ImageSummary: Sendable, Hashable, Codable {
    /// The normalised reference, or the path that it was read from.
    public var reference: String
    /// Digest of the manifest.
    public var digest: String
    public var platform: String
    /// Compressed bytes of all layers.
    public var size: Int64
    public var layers: Int
    /// Milliseconds since 1970.
    public var pulled: Int64
    /// Whether every layer is unpacked and can be mounted.
    public var isComplete: Bool
}

/// Everything the store knows of one image.
public struct ImageDetails: Sendable, Hashable, Codable {
    public struct Layer: Sendable, Hashable, Codable {
        public var digest: String
        public var diffID: String
        public var mediaType: String
        public var size: Int64
        /// Absolute path of the unpacked layer; nil where it is missing.
        public var directory: String?
    }
    public var summary: ImageSummary
    public var layers: [Layer]
    public var entrypoint: [String]
    public var command: [String]
    public var environment: [String]
    public var workingDirectory: String
    public var user: String
    public var labels: [String: String]
}

extension ImageStore {
    /// Every image, by reference. One whose documents are gone is shown without layers, as incomplete; what a job pinned is left
    /// out while its tag means the same.
    public func list() -> [ImageSummary] {
        let records = references.all().records
        let shown = records.filter { record in
            !records.contains {
                $0.manifest == record.manifest && Self.isPin(record.reference, of: $0.reference)
            }
        }
        return shown.map { record in
            known(record).map { summary($0, record.created) }
                ?? ImageSummary(
                    reference: record.reference, digest: record.manifest.description,
                    platform: "unknown", size: 0, layers: 0, pulled: record.created,
                    isComplete: false)
        }
    }

    /// Throws `.notFound` where the store does not have it, `.malformed` where it is no reference.
    public func inspect(_ reference: String) throws(ImageError) -> ImageDetails {
        let name = try key(reference)
        guard let record = references.get(name),
            let image = known(record)
        else {
            throw ImageError(
                .notFound, "inspect", name, "it is not in the store",
                hint: "martlet image ls shows what is")
        }
        let process = image.config.process
        return ImageDetails(
            summary: summary(image, record.created), layers: details(image),
            entrypoint: process.entrypoint,
            command: process.command, environment: process.environment,
            workingDirectory: process.workingDirectory, user: process.user,
            labels: image.config.config?.labels ?? [:])
    }

    /// How a record is named: normalised, or an absolute path.
    func key(_ text: String) throws(ImageError) -> String {
        if let path = LocalPath(text, environment: settings.registry.environment) {
            return path.path
        }
        return try Self.parse(text).description
    }

    private func summary(_ image: ResolvedImage, _ created: Int64) -> ImageSummary {
        ImageSummary(
            reference: image.name, digest: image.manifestDigest.description,
            platform: image.config.platform.description,
            size: image.manifest.layers.reduce(0) { $0 + $1.size }, layers: image.diffIDs.count,
            pulled: created,
            isComplete: unpacked(image) != nil)
    }

    private func details(_ image: ResolvedImage) -> [ImageDetails.Layer] {
        zip(image.manifest.layers, image.diffIDs).enumerated().map { index, pair in
            ImageDetails.Layer(
                digest: pair.0.digest.description, diffID: pair.1.description,
                mediaType: pair.0.mediaType,
                size: pair.0.size, directory: layers.find(image.diffIDs, index))
        }
    }
}
