public import OCISpec

/// What a registry says to a blob that is offered to it.
public enum BlobOffer: Sendable {
    case present
    /// It took the blob over from another repository of its own.
    case mounted(from: String)
    /// It wants the bytes; in the session, where it has opened one already.
    case wanted(UploadSession?)
}

extension RegistryClient {
    /// Whether the repository has the blob already.
    public func hasBlob(_ reference: ImageReference, _ digest: Digest) throws(RegistryError) -> Bool
    {
        let call = RepositoryRequest(reference, "blobs/\(digest)", method: "HEAD", access: .push)
        do throws(RegistryError) {
            _ = try request(call)
            return true
        } catch {
            guard error.kind == .notFound else { throw error }
            return false
        }
    }

    /// Asks for the blob, and where it is missing has the registry take it from `repository`, another one of the same
    /// registry (distribution-spec, "Mounting a blob from another repository").
    public func offer(_ reference: ImageReference, _ digest: Digest, from repository: String?)
        throws(RegistryError) -> BlobOffer
    {
        if try hasBlob(reference, digest) { return .present }
        guard let repository, repository != reference.path else { return .wanted(nil) }
        let items = [("mount", digest.description), ("from", repository)]
        let call = RepositoryRequest(
            reference, "blobs/uploads/?" + URLParts.query(items), method: "POST", access: .push)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try request(call)
        } catch {
            switch error.kind {
            // Whoever may not read there, or asks a registry that does not mount, can still send the bytes.
            case .unauthorized, .forbidden, .notFound, .status: return .wanted(nil)
            default: throw error
            }
        }
        if response.status == 201 { return .mounted(from: repository) }
        return .wanted(try session(response, of: call))
    }

    /// Sends a manifest or index, exactly these bytes, under what the reference selects.
    public func putManifest(_ reference: ImageReference, _ bytes: [UInt8], mediaType: String)
        throws(RegistryError)
    {
        var call = RepositoryRequest(
            reference, "manifests/" + reference.selector, method: "PUT", access: .push)
        call.headers = [("Content-Type", mediaType)]
        call.body = .bytes(bytes)
        _ = try request(call)
    }
}
