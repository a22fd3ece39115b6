internal import FoundationEssentials
internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// An archive as `docker save` writes it (moby image/tarexport): configurations and uncompressed layers, without manifests.
final class DockerArchiveTarget: ContentTarget, @unchecked Sendable {
    // @unchecked: it takes one blob at a time, and the one worker has ended before documents come.
    let name: String
    let width = 1
    private let tar: TarWriter
    private let use: StoreUse
    private let expansion: LayerExpansion
    private var written: Set<String> = []
    private var items: [SavedImage] = []
    /// The image that comes next.
    private var manifest: Manifest?
    private var diffIDs: [Digest] = []
    private var names: [ImageReference] = []

    init(_ output: ArchiveOutput, name: String, _ use: StoreUse, _ expansion: LayerExpansion) {
        self.name = name
        self.use = use
        self.expansion = expansion
        tar = TarWriter(descriptor: output.descriptor)
    }

    /// Says which image is next, and what it is called.
    func begin(_ manifest: Manifest, _ config: ImageConfig, names: [ImageReference]) {
        self.manifest = manifest
        self.names = names
        diffIDs = config.rootfs.diffIDs
    }

    private static func layerName(_ diffID: Digest) -> String { diffID.hex + "/layer.tar" }
    private static func configName(_ digest: Digest) -> String { digest.hex + ".json" }

    func put(_ blob: Descriptor, from source: any ContentSource, _ meter: BlobMeter)
        throws(ImageError)
    {
        let place = manifest?.layers.firstIndex { $0.digest == blob.digest }
        let file = place.map { Self.layerName(diffIDs[$0]) } ?? Self.configName(blob.digest)
        guard written.insert(file).inserted else { return meter.become(.present) { blob.size } }
        let content = try source.open(blob, meter)
        meter.become(.sending)
        try writing(blob.digest.short) { () throws(LayerError) in
            if let place {
                try add(file, content, blob, diffIDs[place])
            } else {
                try tar.add(file, content, blob)
            }
        }
        meter.become(.sent) { blob.size }
    }

    /// A layer's size is known once it is unpacked: it goes through a file.
    private func add(_ name: String, _ content: BlobFile, _ blob: Descriptor, _ diffID: Digest)
        throws(LayerError)
    {
        let path = use.temporary("expanded")
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try Raw.check(file, "create")
        let archive = BlobFile(OwnedFD(file))
        unlink(path)
        let size = try expansion.run(
            content.descriptor, size: blob.size, digest: blob.digest, diffID: diffID,
            to: archive.descriptor)
        try tar.add(
            name, archive, Descriptor(mediaType: MediaType.layer, digest: diffID, size: size))
    }

    func put(_ document: ContentTree.Document, isRoot: Bool) {
        guard isRoot, let manifest else { return }
        items.append(
            SavedImage(
                config: Self.configName(manifest.config.digest),
                // Whole names: podman takes short ones for its own.
                repoTags: names.filter { $0.digest == nil }.map(\.description),
                layers: diffIDs.map(Self.layerName)))
    }

    func finish() throws(ImageError) {
        guard let manifest = try? DocumentEncoder.bytes(items),
            let repositories = try? DocumentEncoder.bytes(repositories())
        else { throw ImageError(.system, "write", name, "its manifest cannot be encoded") }
        try writing(name) { () throws(LayerError) in
            try tar.add("manifest.json", manifest)
            try tar.add("repositories", repositories)
            try tar.finish()
        }
    }

    /// Name, tag, and the uppermost layer: what Docker read before 1.10.
    private func repositories() -> [String: [String: String]] {
        var repositories: [String: [String: String]] = [:]
        for item in items {
            for text in item.repoTags ?? [] {
                guard let colon = text.lastIndex(of: ":"), let top = item.layers.last else {
                    continue
                }
                repositories[String(text[..<colon]), default: [:]][
                    String(text[text.index(after: colon)...])] = String(top.prefix { $0 != "/" })
            }
        }
        return repositories
    }
}

/// One image of `manifest.json` in a docker archive.
struct SavedImage: Codable, Sendable {
    var config: String
    /// Short or whole names with tags; null where it has none.
    var repoTags: [String]?
    /// Files of the layers, lowest first.
    var layers: [String]

    private enum CodingKeys: String, CodingKey {
        case config = "Config"
        case repoTags = "RepoTags"
        case layers = "Layers"
    }

    /// Nil where the directory holds none, or a file of that name that is something else.
    static func read(_ files: LocalFiles) -> [SavedImage]? {
        // A root filesystem may hold any file of that name.
        guard let bytes = try? files.read("manifest.json"),
            let items = try? JSONDecoder().decode([SavedImage].self, from: Data(bytes)),
            !items.isEmpty
        else { return nil }
        return items
    }
}
