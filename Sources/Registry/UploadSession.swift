internal import OCISpec

/// An upload that a registry has opened (distribution-spec, "Pushing blobs").
public struct UploadSession: Sendable, Hashable {
    /// Absolute. The registry's own: it may be on another host and hold a query, and is only ever added to.
    var location: String
    /// `OCI-Chunk-Min-Length`, in bytes; nil where chunks are not asked for.
    var leastChunk: Int64?

    /// Where the upload is ended by saying what it was to be.
    func location(completing digest: String) -> String {
        let join = location.contains("?") ? "&" : "?"
        return location + join + "digest=" + URLParts.escape(digest)
    }
}

extension RegistryClient {
    /// The session that an answer opened, or moved to another place.
    func session(_ response: HTTPResponse, of call: RepositoryRequest) throws(RegistryError)
        -> UploadSession
    {
        let call = try permitted(call)
        let asked = try url(call, try endpoint(for: call))
        guard let text = response.header("location"),
            let location = URLParts(text, relativeTo: asked.text)
        else {
            throw RegistryError(
                .malformed, call.method, asked.shown, "it opened an upload without saying where")
        }
        let least = response.header("oci-chunk-min-length").flatMap { Int64($0) }
        return UploadSession(
            location: location.text, leastChunk: least.flatMap { $0 > 0 ? $0 : nil })
    }

    /// Bytes that an upload has, by the `Range` of an answer: `0-99` is 100, and `0-0` as good as nothing.
    static func uploaded(_ response: HTTPResponse) -> Int64? {
        guard let text = response.header("range") else { return nil }
        // Some write it as requests do.
        let bare = text.hasPrefix("bytes=") ? text.dropFirst(6) : text[...]
        guard bare.hasPrefix("0-"), let last = Int64(bare.dropFirst(2)), last >= 0,
            last < OCISpec.blobLimit
        else { return nil }
        return last == 0 ? 0 : last + 1
    }
}
