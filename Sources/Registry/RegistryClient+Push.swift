public import OCISpec

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

    /// Sends a blob whole (distribution-spec "Pushing a blob monolithically", POST then PUT), from the start each time it is
    /// tried again. `descriptor` is an open file of `size` bytes. The registry verifies the digest.
    public func upload(
        _ reference: ImageReference, _ digest: Digest, size: Int64, descriptor: Int32
    ) throws(RegistryError) {
        try retrying { () throws(RegistryError) in
            let begin = RepositoryRequest(
                reference, "blobs/uploads/", method: "POST", access: .push)
            let session = try exchange(begin)
            guard let location = session.header("location") else {
                throw RegistryError(
                    .malformed, "POST", reference.name, "it opened an upload without saying where")
            }
            // The location is the registry's own and may hold a query: it is only added to.
            let join = location.contains("?") ? "&" : "?"
            var put = RepositoryRequest(
                reference, location + join + "digest=" + URLParts.escape(digest.description),
                method: "PUT",
                access: .push)
            put.headers = [("Content-Type", "application/octet-stream")]
            put.body = .file(descriptor: descriptor, length: size)
            _ = try exchange(put)
        }
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
