public import OCISpec

/// Images of one user on one machine: blobs by digest, layers unpacked in overlay form, and which reference means which.
///
/// Owns everything below the data directory's `blobs`, `layers`, `references`, `locks` and `staging`; alone links ISA-L, zlib and
/// zstd and alone computes SHA-256. Must not import anything of jobs, nodes or servers. Nothing that was not verified has a
/// final name: every blob and layer is made in `staging` and renamed once its digests and size are right.
/// Start with `ImageStore+Ensure.swift`, then `LayerApplication.swift` and `LayerWriter.swift`.
///
/// Safe to use from several threads and several processes at once.
public final class ImageStore: Sendable {
    let paths: StorePaths
    /// Changes once at most: where subordinate ids turn out to be of no use.
    var form: OverlayForm { settings.form ?? OverlayForm.current }
    let settings: StoreSettings

    /// `dataDirectory` is made when the first image comes.
    public init(dataDirectory: String, settings: StoreSettings = StoreSettings()) {
        paths = StorePaths(root: dataDirectory)
        self.settings = settings
    }

    var blobs: BlobStore { BlobStore(paths: paths) }
    var layers: LayerStore {
        LayerStore(paths: paths, form: form, node: settings.node, sync: settings.sync)
    }
    var uses: UseStore { UseStore(paths: paths) }
    var references: ReferenceStore { ReferenceStore(paths: paths) }
}

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

/// When to ask the registry.
public enum PullPolicy: String, Sendable, Codable {
    /// Only for what the store does not have.
    case missing
    /// Always ask what the tag means now; layers that are here are not fetched again.
    case always
    /// Never.
    case never
}

/// How an image is brought in.
public struct PullOptions: Sendable {
    public var policy: PullPolicy
    public var platform: Platform
    /// Allows plain HTTP and unverified TLS for the reference's own host; loopback hosts may always speak HTTP.
    public var insecure: Bool
    /// Asked several times a second; true ends the pull with `.cancelled`.
    public var isCancelled: @Sendable () -> Bool
    public init(
        policy: PullPolicy = .missing, platform: Platform = .current, insecure: Bool = false,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.policy = policy
        self.platform = platform
        self.insecure = insecure
        self.isCancelled = isCancelled
    }
}
