internal import Layers
public import Registry

/// What a store may use, and what its tests turn.
public struct StoreSettings: Sendable {
    /// Nil takes what this process can do.
    public var form: OverlayForm?
    public var inflater: Inflater
    public var registry: RegistrySettings
    /// Layers unpacked at once. Each takes three threads and about 6 MiB (zstd: up to 128 MiB more, its largest window).
    public var concurrentLayers: Int
    public var limits: LayerLimits
    /// Whether a thread of this process flushes new layers to the disk. It needs longer than a process that ends after a pull
    /// has: that calls `ImageStore.flush` in another one.
    public var flushes = true
    public var sync = StoreSync.fileSystem
    /// Bytes of blobs and layers above which the images that were used least recently go, after each pull. Nil sets no limit.
    public var budget: Int64?
    public var node = StoreNode.current
    public init() {
        inflater = .isal
        registry = RegistrySettings()
        concurrentLayers = 4
        limits = LayerLimits()
    }
}

extension StoreSettings {
    var layers: LayerSettings {
        var layers = LayerSettings()
        layers.form = form
        layers.makeInflater = inflater.makeEngine
        layers.limits = limits
        layers.concurrentLayers = concurrentLayers
        layers.sync = sync
        layers.node = node
        return layers
    }
}

/// Which library decodes gzip.
public enum Inflater: String, Sendable, CaseIterable {
    /// Two to three times as fast on x86-64.
    case isal
    case zlib

    var makeEngine: InflaterMaker {
        switch self {
        case .isal: { () throws(LayerError) in try IsalEngine() }
        case .zlib: { () throws(LayerError) in try ZlibEngine() }
        }
    }
}

extension StoreSettings {
    /// `MARTLET_IMAGE_SYNC` (`filesystem`, `files`, `never`), `MARTLET_IMAGE_BUDGET` (such as `20GB`), and what the registry's
    /// settings take from the environment. Throws `.malformed`.
    public init(environment: [String: String]) throws(ImageError) {
        self.init()
        registry = RegistrySettings(environment: environment)
        if let text = environment["MARTLET_IMAGE_SYNC"], !text.isEmpty {
            guard let value = StoreSync(rawValue: text) else {
                throw ImageError(
                    .malformed, "read", "MARTLET_IMAGE_SYNC", "\"\(text)\" is no way to flush",
                    hint: "it is one of "
                        + StoreSync.allCases.map(\.rawValue).joined(separator: ", "))
            }
            sync = value
        }
        if let text = environment["MARTLET_IMAGE_BUDGET"], !text.isEmpty {
            guard let value = ByteSize(text) else {
                throw ImageError(
                    .malformed, "read", "MARTLET_IMAGE_BUDGET", "\"\(text)\" is no size",
                    hint: "write it as 20GB or 20GiB")
            }
            budget = value.bytes
        }
    }
}
