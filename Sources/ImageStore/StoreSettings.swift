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

/// `20GB`, `1.5TiB`, `4096`: powers of ten with a `B` alone, of two with an `i` or the letter alone, as in a job's memory.
public struct ByteSize: Sendable, Hashable {
    public var bytes: Int64

    public init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).uppercased()
        let power = ["K": 1, "M": 2, "G": 3, "T": 4][unit.prefix(1)]
        let base: Double? =
            switch unit.dropFirst() {
            case "B": 1000
            case "", "IB": 1024
            default: nil
            }
        let isPlain = unit.isEmpty || unit == "B"
        guard let number = Double(digits), isPlain || (power != nil && base != nil) else {
            return nil
        }
        let factor =
            isPlain ? 1 : (0..<(power ?? 0)).reduce(1.0) { product, _ in product * (base ?? 1) }
        guard number * factor < 0x1p62 else { return nil }
        bytes = Int64(number * factor)
    }
}
