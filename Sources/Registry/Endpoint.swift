internal import CCurl

/// How a registry is reached.
struct Endpoint: Sendable, Hashable {
    /// `https://registry-1.docker.io`.
    var base: String
    var verifiesTLS: Bool
    /// Challenges of `/v2/`, where it was asked: some registries (gcr.io) send none with a refused request.
    var challenges: [Challenge] = []
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
    func endpoint(for domain: String) throws(RegistryError) -> Endpoint {
        if let known = endpoints.quietly({ $0[domain] }) { return known }
        let endpoint = try probe(domain)
        endpoints.withLock { $0[domain] = endpoint }
        return endpoint
    }

    private func probe(_ domain: String) throws(RegistryError) -> Endpoint {
        let host = Self.host(of: domain)
        if Self.isLoopback(domain) {
            // Plain HTTP first: what listens on loopback is nearly always a test registry. No credentials are sent yet.
            let plain = try ping("http://" + host, verifiesTLS: false)
            // A TLS server answers a plain request with 400 (Go, nginx) or hangs up.
            if let plain, plain.status != 400 {
                return Endpoint(base: "http://" + host, plain, verifiesTLS: true)
            }
            if let secure = try ping("https://" + host, verifiesTLS: !insecure) {
                return Endpoint(base: "https://" + host, secure, verifiesTLS: !insecure)
            }
            return Endpoint(base: "http://" + host, verifiesTLS: true)
        }
        guard insecure else { return Endpoint(base: "https://" + host, verifiesTLS: true) }
        if let secure = try ping("https://" + host, verifiesTLS: false) {
            return Endpoint(base: "https://" + host, secure, verifiesTLS: false)
        }
        return Endpoint(base: "http://" + host, verifiesTLS: false)
    }

    /// Asks `/v2/`; nil where the host is reached but does not speak this way. Throws where it is not reached at all.
    func ping(_ base: String, verifiesTLS: Bool) throws(RegistryError) -> HTTPResponse? {
        let request = HTTPRequest(method: "GET", url: base + "/v2/", verifiesTLS: verifiesTLS)
        do throws(RegistryError) {
            return try transfer(request, sink: nil)
        } catch {
            switch error.kind {
            case .tls, .interrupted, .malformed: return nil
            case .unreachable where insecure: return nil
            default: throw error
            }
        }
    }
}

extension Endpoint {
    fileprivate init(base: String, _ answer: HTTPResponse, verifiesTLS: Bool) {
        self.init(
            base: base, verifiesTLS: verifiesTLS,
            challenges: answer.all("www-authenticate").flatMap(Challenge.parse))
    }
}
