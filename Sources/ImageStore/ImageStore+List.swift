internal import Glibc
internal import Layers
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
    /// When a job last started with it or somebody brought it in, in milliseconds since 1970.
    public var used: Int64
    /// Whether every layer is unpacked and can be mounted.
    public var isComplete: Bool
}

/// Everything the store knows of one image.
public struct ImageDetails: Sendable, Hashable, Codable {
    public struct Layer: Sendable, Hashable, Codable {
        public var digest: String
        public var diffID: String
        public var mediaType: String
        /// Compressed bytes.
        public var size: Int64
        /// Bytes of the files in the unpacked layer; nil where it is missing.
        public var unpackedSize: Int64?
        /// Absolute path of the unpacked layer; nil where it is missing.
        public var directory: String?
        /// Whether its blob is here.
        public var hasBlob: Bool
    }
    public var summary: ImageSummary
    /// Digest that the registry has for the reference: the index's where there is one.
    public var resolved: String
    /// Media type and digest of the manifest's configuration.
    public var configMediaType: String
    public var configDigest: String
    /// When the image was made, as it says itself (RFC 3339).
    public var created: String?
    public var layers: [Layer]
    public var entrypoint: [String]
    public var command: [String]
    public var environment: [String]
    public var workingDirectory: String
    public var user: String
    public var stopSignal: String?
    public var labels: [String: String]
    public var history: [HistoryStep]
    /// Jobs and mounts that use it now.
    public var usedBy: [String]
}

/// One step of how an image was made, as its configuration says; the first made the lowest layer.
public struct HistoryStep: Sendable, Hashable, Codable {
    /// RFC 3339, as it stands there.
    public var created: String?
    public var createdBy: String?
    public var comment: String?
    /// Whether it changed no file, but the configuration alone.
    public var isEmptyLayer: Bool
    /// Digest and compressed bytes of the layer that it made; nil where it made none.
    public var layer: String?
    public var size: Int64?
}

extension ImageStore {
    /// Every image, by reference. One whose documents are gone is shown without layers, as incomplete; what a job pinned is left
    /// out while its tag means the same.
    public func list() -> [ImageSummary] {
        let records = references.all().records
        let shown = records.filter { record in
            !records.contains {
                $0.manifest == record.manifest
                    && LayerStore.isPin(record.reference, of: $0.reference)
            }
        }
        return shown.map { record in
            known(record).map { summary($0, record) }
                ?? ImageSummary(
                    reference: record.reference, digest: record.manifest.description,
                    platform: "unknown", size: 0, layers: 0, pulled: record.created,
                    used: references.lastUse(record.reference), isComplete: false)
        }
    }

    /// Throws `.notFound` where the store does not have it, `.malformed` where it is no reference.
    public func inspect(_ reference: String) throws(ImageError) -> ImageDetails {
        let (record, image) = try find(reference, to: "inspect")
        let process = image.config.process
        return ImageDetails(
            summary: summary(image, record), resolved: record.resolved.description,
            configMediaType: image.manifest.config.mediaType,
            configDigest: image.manifest.config.digest.description, created: image.config.created,
            layers: details(image), entrypoint: process.entrypoint, command: process.command,
            environment: process.environment, workingDirectory: process.workingDirectory,
            user: process.user, stopSignal: image.config.config?.stopSignal,
            labels: image.config.config?.labels ?? [:], history: Self.history(image),
            usedBy: uses.all().uses.filter { $0.manifest == record.manifest }
                .map(\.user.description).sorted())
    }

    /// The steps that made an image, the first one first. Throws as `inspect` does.
    public func history(_ reference: String) throws(ImageError) -> [HistoryStep] {
        Self.history(try find(reference, to: "tell the history of").image)
    }

    /// An image of the store by its name, whatever its platform.
    func find(_ reference: String, to step: String) throws(ImageError) -> (
        record: ReferenceRecord, image: ResolvedImage
    ) {
        let name = try key(reference)
        guard let record = references.get(name) else {
            throw ImageError(
                .notFound, step, name, "it is not in the store",
                hint: "martlet image ls shows what is")
        }
        guard let image = known(record) else {
            throw ImageError(
                .corrupt, step, name, "its manifest or configuration is damaged",
                hint: "martlet image pull \(name)")
        }
        return (record, image)
    }

    /// Layers that no step tells of (some tools write no history) come last.
    private static func history(_ image: ResolvedImage) -> [HistoryStep] {
        var layers = image.manifest.layers[...]
        var steps = (image.config.history ?? []).map { step in
            let isEmpty = step.emptyLayer ?? false
            let layer = isEmpty ? nil : layers.popFirst()
            return HistoryStep(
                created: step.created, createdBy: step.createdBy, comment: step.comment,
                isEmptyLayer: isEmpty, layer: layer?.digest.description, size: layer?.size)
        }
        steps += layers.map {
            HistoryStep(isEmptyLayer: false, layer: $0.digest.description, size: $0.size)
        }
        return steps
    }

    /// How a record is named: normalised, or an absolute path.
    func key(_ text: String) throws(ImageError) -> String {
        if let path = LocalPath(text, environment: settings.registry.environment) {
            return path.path
        }
        return try Self.parse(text).description
    }

    private func summary(_ image: ResolvedImage, _ record: ReferenceRecord) -> ImageSummary {
        ImageSummary(
            reference: image.name, digest: image.manifestDigest.description,
            platform: image.config.platform.description,
            size: image.manifest.layers.reduce(0) { $0 + $1.size }, layers: image.diffIDs.count,
            pulled: record.created, used: references.lastUse(record.reference),
            isComplete: unpacked(image) != nil)
    }

    private func details(_ image: ResolvedImage) -> [ImageDetails.Layer] {
        zip(image.manifest.layers, image.diffIDs).enumerated().map { index, pair in
            let directory = layers.find(image.diffIDs, index)
            return ImageDetails.Layer(
                digest: pair.0.digest.description, diffID: pair.1.description,
                mediaType: pair.0.mediaType, size: pair.0.size,
                unpackedSize: directory.flatMap { LayerList.bytes(listedIn: paths.list($0)) },
                directory: directory, hasBlob: blobs.has(pair.0))
        }
    }
}
