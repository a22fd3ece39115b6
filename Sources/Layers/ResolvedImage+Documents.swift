internal import OCISpec

extension ResolvedImage {
    /// An image of which somebody else has read the documents, for this machine. Nothing is asked of any registry.
    package init(name: String, manifest: [UInt8], config: [UInt8]) throws(ImageError) {
        let document: ManifestDocument
        let configuration: ImageConfig
        do throws(DocumentError) {
            document = try ManifestDocument(manifest)
        } catch {
            throw ImageError(error, "read manifest of", name)
        }
        guard case .manifest(let parsed) = document else {
            throw ImageError(.unsupported, "read manifest of", name, "it is an index of several")
        }
        guard digestOf(config) == parsed.config.digest else {
            throw ImageError(
                .corrupt, "read configuration of", name,
                "its digest is \(digestOf(config)), promised was \(parsed.config.digest)")
        }
        do throws(DocumentError) {
            configuration = try ImageConfig(config, layerCount: parsed.layers.count)
        } catch {
            throw ImageError(error, "read configuration of", name)
        }
        guard Platform.current.runs(configuration.platform) else {
            throw ImageError(
                .unsupported, "use", name,
                "it is made for \(configuration.platform), and this machine is \(Platform.current)")
        }
        let digest = digestOf(manifest)
        self.init(
            name: name, manifestDigest: digest, manifest: parsed, config: configuration,
            resolved: digest)
    }
}
