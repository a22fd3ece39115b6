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
        var call = RepositoryRequest(
            reference, "manifests/" + (digest?.description ?? reference.selector))
        call.headers = [("Accept", MediaType.accept.joined(separator: ", "))]
        call.bodyLimit = OCISpec.documentLimit
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try request(call)
        } catch {
            throw explain(error, reference)
        }
        return ManifestAnswer(
            bytes: response.body, contentType: response.header("content-type") ?? "",
            digest: response.header("docker-content-digest").flatMap { Digest($0) })
    }

    /// Fetches a small blob, such as an image configuration, into memory. The bytes are not verified here.
    public func smallBlob(
        _ reference: ImageReference, _ digest: Digest, limit: Int = OCISpec.documentLimit
    ) throws(RegistryError) -> [UInt8] {
        var call = RepositoryRequest(reference, "blobs/\(digest)")
        call.bodyLimit = limit
        return try request(call).body
    }

    /// Says of a missing manifest whether it is the tag or the repository that does not exist.
    private func explain(_ error: RegistryError, _ reference: ImageReference) -> RegistryError {
        guard error.kind == .notFound else { return error }
        var call = RepositoryRequest(reference, "tags/list?n=1000")
        call.bodyLimit = 1 << 20
        // Only asked to say more in the error.
        guard let answer = try? exchange(call), let tags = TagList.read(answer.body) else {
            return RegistryError(
                .notFound, error.step, error.subject, "there is no repository \(reference.name)",
                hint: "check the spelling")
        }
        let near = TagList.near(reference.selector, tags).joined(separator: ", ")
        return RegistryError(
            .notFound, error.step, error.subject, "\(reference.name) has no \(reference.selector)",
            hint: near.isEmpty ? nil : "it has \(near)")
    }
}

extension RepositoryRequest {
    init(
        _ reference: ImageReference, _ location: String, method: String = "GET",
        access: RepositoryAccess = .pull
    ) {
        self.init(
            method: method, domain: reference.domain, repository: reference.path,
            location: location,
            access: access)
    }
}
