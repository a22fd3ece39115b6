public import OCISpec
internal import Threads

/// Where another machine can read a blob.
public struct BlobLocation: Sendable, Hashable {
    public var url: String
    /// The value of an Authorization header for this host alone: a token for pulling, good for minutes. Nil where nobody asks.
    public var authorization: String?
    /// Whether plain HTTP and unverified TLS are allowed.
    public var isInsecure: Bool
}

extension RegistryClient {
    /// Seconds that a token must be good for, for another machine to begin with it.
    static let leastLife = 20.0

    /// All places that have the blob and may be told to another machine: mirrors in their order, then the registry. Passwords,
    /// tokens that a person keeps and keys stay here, and what is reached by this machine's loopback would be something else there.
    /// Each place is asked once. Throws why there is none.
    /// - Parameter sharesLoopback: whether the other machine's loopback is this one's.
    public func locations(
        of digest: Digest, in reference: ImageReference, sharesLoopback: Bool = false
    ) throws(RegistryError) -> [BlobLocation] {
        var sources = try configuration.get().sources(of: reference)
        sources[sources.count - 1].isInsecure = sources[sources.count - 1].isInsecure || insecure
        var found: [BlobLocation] = []
        var failures: [String] = []
        for source in sources {
            do throws(RegistryError) {
                found.append(try location(of: digest, source, sharesLoopback))
            } catch {
                if error.isOurs { throw error }
                failures.append("\(source.reference.domain): \(error.reason)")
            }
        }
        guard found.isEmpty else { return found }
        throw RegistryError(
            .forbidden, "tell", reference.name, failures.joined(separator: "; "))
    }

    private func location(
        of digest: Digest, _ source: RepositorySource, _ sharesLoopback: Bool
    ) throws(RegistryError) -> BlobLocation {
        var call = RepositoryRequest(source, "blobs/\(digest)", method: "HEAD")
        call.stopsAtRedirect = true
        let name = "http://" + Self.host(of: call.domain)
        guard sharesLoopback || URLParts(name).map(Self.isOfThisMachine) == false else {
            throw Self.staying(call, "it is on this machine's loopback")
        }
        let endpoint = try endpoint(for: call)
        guard endpoint.trust.certificates?.client == nil else {
            throw Self.staying(call, "it wants a certificate, whose key stays here")
        }
        _ = try exchange(call)
        return BlobLocation(
            url: try url(call, endpoint).text, authorization: try pullToken(call, endpoint),
            isInsecure: endpoint.trust.isInsecure)
    }

    /// `isLoopback`, and what RFC 6761 §6.3 has for names below localhost.
    private static func isOfThisMachine(_ url: URLParts) -> Bool {
        isLoopback(url) || url.host.hasSuffix(".localhost")
    }

    private static func staying(_ call: RepositoryRequest, _ reason: String) -> RegistryError {
        RegistryError(.forbidden, "tell", call.domain, reason)
    }

    /// Of the authorization that the repository took, what may be told; nil where it wanted none.
    private func pullToken(_ call: RepositoryRequest, _ endpoint: Endpoint) throws(RegistryError)
        -> String?
    {
        func known() -> Authorization? { authorizations.quietly { $0[AccessKey(call)] } }
        guard let authorization = known() else { return nil }
        guard let challenge = authorization.challenge, let until = authorization.until else {
            throw Self.staying(call, "it wants a password, which stays here")
        }
        guard Self.scopes([challenge], call).allSatisfy({ $0.hasSuffix(":pull") }) else {
            throw Self.staying(call, "its tokens are good for more than pulling")
        }
        guard until < .now + .seconds(Self.leastLife) else { return authorization.text }
        return try authorize(call, endpoint, [challenge], refused: authorization.text)
    }
}
