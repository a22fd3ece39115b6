public import OCISpec

/// A manifest or index as it came: the bytes whose digest counts.
public struct ManifestAnswer: Sendable {
    public var bytes: [UInt8]
    public var contentType: String
    /// `Docker-Content-Digest`, unverified; nil where there is none.
    public var digest: Digest?
    public init(bytes: [UInt8], contentType: String, digest: Digest?) {
        self.bytes = bytes
        self.contentType = contentType
        self.digest = digest
    }
}

extension RegistryClient {
    /// Fetches a manifest or index by what the reference selects, or by `digest`. The bytes are not verified here.
    public func manifest(_ reference: ImageReference, digest: Digest? = nil) throws(RegistryError)
        -> ManifestAnswer
    {
        let response = try read(reference) { source throws(RegistryError) in
            var call = RepositoryRequest(
                source, "manifests/" + (digest?.description ?? source.reference.selector))
            call.headers = Self.acceptsManifests
            call.bodyLimit = OCISpec.documentLimit
            do throws(RegistryError) {
                return try request(call)
            } catch {
                throw source.isMirror ? error : explain(error, source, digest)
            }
        }
        return ManifestAnswer(
            bytes: response.body, contentType: response.header("content-type") ?? "",
            digest: response.header("docker-content-digest").flatMap { Digest($0) })
    }

    private static let acceptsManifests = [
        (name: "Accept", value: MediaType.accept.joined(separator: ", "))
    ]

    /// What the reference selects now, unverified: asked by HEAD, which is no pull to Docker Hub's limit. Nil where the registry
    /// does not say: whoever wants to know why asks for the manifest itself.
    public func manifestDigest(_ reference: ImageReference) throws(RegistryError) -> Digest? {
        do throws(RegistryError) {
            return try read(reference) { source throws(RegistryError) in
                var call = RepositoryRequest(
                    source, "manifests/" + source.reference.selector, method: "HEAD")
                call.headers = Self.acceptsManifests
                return try request(call).header("docker-content-digest").flatMap { Digest($0) }
            }
        } catch {
            switch error.kind {
            // HEAD is not allowed (405), or its refusal has no words.
            case .forbidden, .notFound, .unauthorized, .status(405), .malformed: return nil
            default: throw error
            }
        }
    }

    /// Fetches a small blob, such as an image configuration, into memory. The bytes are not verified here.
    public func smallBlob(
        _ reference: ImageReference, _ digest: Digest, limit: Int = OCISpec.documentLimit
    ) throws(RegistryError) -> [UInt8] {
        try read(reference) { source throws(RegistryError) in
            var call = RepositoryRequest(source, "blobs/\(digest)")
            call.bodyLimit = limit
            return try request(call).body
        }
    }

    /// Says of a missing manifest whether it is the tag or the repository that does not exist.
    private func explain(
        _ error: RegistryError, _ source: RepositorySource, _ digest: Digest?
    ) -> RegistryError {
        guard error.kind == .notFound else { return error }
        let reference = source.reference
        var call = RepositoryRequest(source, "tags/list?n=1000")
        call.bodyLimit = 1 << 20
        // Only asked to say more in the error.
        guard let answer = try? exchange(call), let tags = TagList.read(answer.body) else {
            return RegistryError(
                .notFound, error.step, error.subject, "there is no repository \(reference.name)",
                hint: "check the spelling")
        }
        let wanted = digest?.description ?? reference.selector
        let near = TagList.near(wanted, tags).joined(separator: ", ")
        return RegistryError(
            .notFound, error.step, error.subject, "\(reference.name) has no \(wanted)",
            hint: near.isEmpty ? nil : "it has \(near)")
    }
}
