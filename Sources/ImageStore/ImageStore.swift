// Whoever uses a store meets its layers' errors, settings and progress.
@_exported public import Layers
public import OCISpec

/// Images of one user on one machine: blobs by digest, layers unpacked in overlay form, and which reference means which.
///
/// Owns everything below the data directory's `blobs`, `layers`, `references`, `locks` and `staging`, by means of `Layers`; alone
/// links ISA-L. Must not import anything of jobs, nodes or servers. Nothing that was not verified has a
/// final name: every blob and layer is made in `staging` and renamed once its digests and size are right.
/// Start with `ImageStore+Ensure.swift`, then `LayerApplication.swift` and `LayerWriter.swift`.
///
/// Safe to use from several threads and several processes at once.
public final class ImageStore: Sendable {
    let paths: StorePaths
    var form: OverlayForm { layers.form }
    let settings: StoreSettings

    /// `dataDirectory` is made when the first image comes.
    public init(dataDirectory: String, settings: StoreSettings = StoreSettings()) {
        paths = StorePaths(root: dataDirectory)
        self.settings = settings
    }

    var blobs: BlobStore { layers.blobs }
    var layers: LayerStore {
        LayerStore(paths: paths, settings: settings.layers)
    }
    var uses: UseStore { layers.uses }
    var references: ReferenceStore { layers.references }
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
