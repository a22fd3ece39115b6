/// Media types that Martlet understands (image-spec media-types.md; Docker's manifest-v2-2.md).
public enum MediaType {
    public static let index = "application/vnd.oci.image.index.v1+json"
    public static let manifest = "application/vnd.oci.image.manifest.v1+json"
    public static let config = "application/vnd.oci.image.config.v1+json"
    public static let layer = "application/vnd.oci.image.layer.v1.tar"
    public static let layerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
    public static let layerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
    public static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
    public static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

    /// What a manifest request accepts, best first; the last for registries that compare naively.
    public static let accept = [index, dockerList, manifest, dockerManifest, "*/*"]

    public static func isIndex(_ type: String) -> Bool { type == index || type == dockerList }
    public static func isManifest(_ type: String) -> Bool {
        type == manifest || type == dockerManifest
    }
    /// Docker's first manifest format, which nothing but very old registries still sends.
    public static func isSchema1(_ type: String) -> Bool {
        type.hasPrefix("application/vnd.docker.distribution.manifest.v1+")
    }
    /// A layer that is a tar archive, in whatever compression: the bytes themselves say which.
    public static func isLayer(_ type: String) -> Bool {
        type.hasPrefix("application/vnd.oci.image.layer.")
            || type.hasPrefix("application/vnd.docker.image.rootfs.")
    }
    /// A layer that may only be had from where its `urls` say, and is never pushed (image-spec "Non-Distributable Layers").
    public static func isForeign(_ type: String) -> Bool {
        type.hasPrefix("application/vnd.oci.image.layer.nondistributable.")
            || type.hasPrefix("application/vnd.docker.image.rootfs.foreign.")
    }
    /// `type; charset=utf-8` → `type`.
    public static func withoutParameters(_ header: String) -> String {
        let bare = header.prefix { $0 != ";" }
        return String(bare.filter { !$0.isWhitespace }).lowercased()
    }
}
