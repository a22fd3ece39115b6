package import OCISpec

/// An image whose documents are here and checked; its layers may still have to come.
package struct ResolvedImage: Sendable {
    /// How a person knows it.
    package var name: String
    package var manifestDigest: Digest
    package var manifest: Manifest
    package var config: ImageConfig
    /// What the registry has for the name: the index's digest where there is one.
    package var resolved: Digest

    package init(
        name: String, manifestDigest: Digest, manifest: Manifest, config: ImageConfig,
        resolved: Digest
    ) {
        self.name = name
        self.manifestDigest = manifestDigest
        self.manifest = manifest
        self.config = config
        self.resolved = resolved
    }

    package var diffIDs: [Digest] { config.rootfs.diffIDs }

    package func stored(_ layers: [String]) -> StoredImage {
        // The kernel takes no directory twice in one mount; the uppermost hides the others anyway.
        var seen: Set<String> = []
        let unique = layers.reversed().filter { seen.insert($0).inserted }.reversed()
        return StoredImage(
            reference: name, digest: manifestDigest.description, layers: Array(unique),
            process: config.process)
    }
}
