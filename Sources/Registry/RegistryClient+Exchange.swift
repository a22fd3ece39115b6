internal import CCurl
internal import FoundationEssentials

extension RegistryClient {
    static let redirectLimit = 10

    /// Sends a request with what the registry wants to know of us, once; every status but success is thrown.
    func exchange(_ call: RepositoryRequest, sink: BodySink? = nil) throws(RegistryError)
        -> HTTPResponse
    {
        let endpoint = try endpoint(for: call.domain)
        var authorization = try knownAuthorization(for: call)
        var response = try follow(call, endpoint, authorization, sink)
        if response.status == 401 {
            let challenges = try challenges(of: response, endpoint)
            // A second refusal with a fresh token is final.
            if let fresh = try authorize(call, challenges, refused: authorization) {
                authorization = fresh
                response = try follow(call, endpoint, authorization, sink)
            }
        }
        guard response.isSuccess else {
            throw Self.refusal(
                response, call, url: try url(call, endpoint), isKnown: authorization != nil)
        }
        return response
    }

    /// The same, tried again where that may help.
    func request(_ call: RepositoryRequest) throws(RegistryError) -> HTTPResponse {
        try retrying { () throws(RegistryError) in try exchange(call) }
    }

    func url(_ call: RepositoryRequest, _ endpoint: Endpoint) throws(RegistryError) -> URLParts {
        let base = "\(endpoint.base)/v2/\(call.repository)/"
        let isWhole = call.location.hasPrefix("/") || call.location.firstRange(of: "://") != nil
        let parts =
            isWhole ? URLParts(call.location, relativeTo: base) : URLParts(base + call.location)
        guard let parts else {
            throw RegistryError(.malformed, call.method, base, "it names a place that is no URL")
        }
        return parts
    }

    /// Sends the request and follows redirects, without credentials once they lead elsewhere.
    private func follow(
        _ call: RepositoryRequest, _ endpoint: Endpoint, _ authorization: String?, _ sink: BodySink?
    ) throws(RegistryError) -> HTTPResponse {
        let first = try url(call, endpoint)
        let home = URLParts(endpoint.base)
        var url = first
        for _ in 0...Self.redirectLimit {
            var request = HTTPRequest(
                method: call.method, url: url.text, headers: call.headers, body: call.body)
            request.bodyLimit = call.bodyLimit
            request.verifiesTLS = endpoint.verifiesTLS
            if let authorization, let home, url.isSameOrigin(as: home) {
                request.headers.append(("Authorization", authorization))
            }
            let response = try transfer(request, isAbandoned: call.isAbandoned, sink: sink)
            guard [301, 302, 303, 307, 308].contains(response.status),
                let location = response.header("location"),
                call.method == "GET" || call.method == "HEAD"
            else { return response }
            guard let next = URLParts(location, relativeTo: url.text) else {
                throw RegistryError(
                    .malformed, call.method, url.shown, "it redirects to something that is no URL")
            }
            guard !(url.scheme == "https" && next.scheme == "http") || insecure else {
                throw RegistryError(
                    .malformed, call.method, url.shown,
                    "it redirects from TLS to plain HTTP at \(next.shown)")
            }
            url = next
        }
        throw RegistryError(
            .malformed, call.method, first.shown, "more than \(Self.redirectLimit) redirects")
    }

    private func challenges(of response: HTTPResponse, _ endpoint: Endpoint) throws(RegistryError)
        -> [Challenge]
    {
        let sent = response.all("www-authenticate").flatMap(Challenge.parse)
        guard sent.isEmpty else { return sent }
        if !endpoint.challenges.isEmpty { return endpoint.challenges }
        let ping = try ping(endpoint.base, verifiesTLS: endpoint.verifiesTLS)
        return ping?.all("www-authenticate").flatMap(Challenge.parse) ?? []
    }
}
