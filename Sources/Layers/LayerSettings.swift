/// How layers are unpacked and kept.
package struct LayerSettings: Sendable {
    /// Nil takes what this process can do.
    package var form: OverlayForm?
    package var makeInflater: InflaterMaker = { () throws(LayerError) in try ZlibEngine() }
    package var limits = LayerLimits()
    /// Layers unpacked at once. Each takes three threads and about 6 MiB (zstd: up to 128 MiB more, its largest window).
    package var concurrentLayers = 4
    package var sync = StoreSync.fileSystem
    package var node = StoreNode.current
    package init() {}
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
