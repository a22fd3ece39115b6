internal import Threads

/// How a registry is reached.
struct Endpoint: Sendable, Hashable {
    /// `https://registry-1.docker.io`.
    var base: String
    var trust: Trust
    /// Challenges of `/v2/`, where it was asked: some registries (gcr.io) send none with a refused request.
    var challenges: [Challenge] = []
}

struct EndpointKey: Hashable, Sendable {
    var domain: String
    var isInsecure: Bool
}

extension RegistryClient {
    /// Docker Hub's own host is not the one in its names (docker/docker registry/config.go).
    static func host(of domain: String) -> String {
        domain == "docker.io" ? "registry-1.docker.io" : domain
    }

    /// Whether the host is this machine, as names say it: localhost, 127.0.0.0/8, ::1.
    static func isLoopback(_ domain: String) -> Bool {
        URLParts("http://" + domain).map(isLoopback) ?? false
    }

    static func isLoopback(_ url: URLParts) -> Bool {
        if url.host == "localhost" || url.host == "[::1]" { return true }
        let parts = url.host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Finds out once how a registry is reached: HTTPS, or where it is allowed whichever of both answers.
    func endpoint(for call: RepositoryRequest) throws(RegistryError) -> Endpoint {
        let key = EndpointKey(domain: call.domain, isInsecure: call.isInsecure ?? false)
        if let known = endpoints.quietly({ $0[key] }) { return known }
        let endpoint = try probe(key)
        endpoints.withLock { $0[key] = endpoint }
        return endpoint
    }

    private func probe(_ key: EndpointKey) throws(RegistryError) -> Endpoint {
        let host = Self.host(of: key.domain)
        let (secure, plain) = ("https://" + host, "http://" + host)
        let trust = Trust(isInsecure: key.isInsecure, certificates: try certificates(of: host))
        if key.isInsecure {
            // TLS first, even where it proves nothing: nobody on the way reads along.
            if let answer = try tentatively(secure, trust) {
                return Endpoint(secure, answer, trust)
            }
            return Endpoint(base: plain, trust: trust)
        }
        if Self.isLoopback(key.domain) {
            // Plain HTTP first: what listens on loopback is nearly always a test registry. No credentials are sent yet.
            let answer = try tentatively(plain, trust)
            // A TLS server answers a plain request with 400 (Go, nginx) or hangs up.
            if let answer, answer.status != 400 { return Endpoint(plain, answer, trust) }
            return Endpoint(secure, try ping(secure, trust), trust)
        }
        return Endpoint(base: secure, trust: trust)
    }

    /// Nil where the host is reached but does not speak this way.
    private func tentatively(_ base: String, _ trust: Trust) throws(RegistryError) -> HTTPResponse?
    {
        do throws(RegistryError) {
            return try ping(base, trust)
        } catch {
            switch error.kind {
            case .tls, .interrupted, .malformed: return nil
            case .unreachable where trust.isInsecure: return nil
            default: throw error
            }
        }
    }

    /// Asks `/v2/`.
    func ping(_ base: String, _ trust: Trust) throws(RegistryError) -> HTTPResponse {
        try transfer(HTTPRequest(method: "GET", url: base + "/v2/", trust: trust), sink: nil)
    }

    /// What certs.d has for `host[:port]`.
    func certificates(of host: String) throws(RegistryError) -> HostCertificates? {
        if let known = certificates.quietly({ $0[host] }) { return known }
        let found = try HostCertificates.of(
            host, environment: settings.environment, system: settings.systemConfiguration)
        certificates.quietly { $0[host] = .some(found) }
        return found
    }

    /// How far to believe a host that the registry names: where nothing is known of it, its certificate may be of the same
    /// authority as the registry's.
    func trust(_ url: URLParts, of endpoint: Endpoint) throws(RegistryError) -> Trust {
        if let home = URLParts(endpoint.base), url.isSameOrigin(as: home) { return endpoint.trust }
        let isDefault = url.port == (url.scheme == "https" ? "443" : "80")
        let host = isDefault ? url.host : "\(url.host):\(url.port)"
        let own = try certificates(of: host)
        return Trust(
            isInsecure: endpoint.trust.isInsecure,
            certificates: own ?? endpoint.trust.certificates?.forOthers)
    }
}

extension Endpoint {
    fileprivate init(_ base: String, _ answer: HTTPResponse, _ trust: Trust) {
        self.init(
            base: base, trust: trust,
            challenges: answer.all("www-authenticate").flatMap(Challenge.parse))
    }
}
