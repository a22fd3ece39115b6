public import Registry

/// What a store may use, and what its tests turn.
public struct StoreSettings: Sendable {
    /// Nil takes what this process can do.
    public var form: OverlayForm?
    public var inflater: Inflater
    public var registry: RegistrySettings
    /// Layers unpacked at once. Each takes two threads and about 6 MiB (zstd: up to 128 MiB more, its largest window).
    public var concurrentLayers: Int
    public var limits: LayerLimits
    /// Whether a thread of this process flushes new layers to the disk. It needs longer than a process that ends after a pull
    /// has: that calls `ImageStore.flush` in another one.
    public var flushes = true
    public init() {
        inflater = .isal
        registry = RegistrySettings()
        concurrentLayers = 4
        limits = LayerLimits()
    }
}

/// Which library decodes gzip.
public enum Inflater: String, Sendable, CaseIterable {
    /// Two to three times as fast on x86-64.
    case isal
    case zlib
}

/// What one layer may hold; beyond it the layer is refused as hostile.
public struct LayerLimits: Sendable {
    /// Bytes of the uncompressed archive.
    public var bytes: Int64
    public var entries: Int
    /// Bytes of one extended header (Go's archive/tar: 1 MiB, after CVE-2022-2879).
    public var header: Int
    public init(bytes: Int64 = 1 << 40, entries: Int = 5_000_000, header: Int = 1 << 20) {
        self.bytes = bytes
        self.entries = entries
        self.header = header
    }
}
