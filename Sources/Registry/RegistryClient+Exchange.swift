internal import Threads

extension RegistryClient {
    static let redirectLimit = 10

    /// Sends a request with what the registry wants to know of us, once; every status but success is thrown.
    func exchange(_ call: RepositoryRequest, sink: BodySink? = nil) throws(RegistryError)
        -> HTTPResponse
    {
        let call = try permitted(call)
        let endpoint = try endpoint(for: call)
        var authorization = try knownAuthorization(for: call)
        var response = try follow(call, endpoint, authorization, sink)
        var refused: Set<[String]> = []
        // A second refusal with a fresh token is final, unless the registry asks for more than it did before.
        while refused.count < 2 {
            let challenges = try challenges(of: response, endpoint)
            let scopes = Self.scopes(challenges, call)
            guard Self.isChallenge(response, challenges, isAgain: !refused.isEmpty),
                refused.insert(scopes).inserted,
                let fresh = try authorize(call, endpoint, challenges, refused: authorization)
            else { break }
            authorization = fresh
            response = try follow(call, endpoint, authorization, sink)
        }
        tellWarnings(response, call)
        let isRedirect = (300..<400).contains(response.status)
        guard response.isSuccess || (isRedirect && call.stopsAtRedirect) else {
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

    /// Sends the request and follows redirects, without credentials once they lead elsewhere. It always begins at the registry:
    /// what a redirect leads to is signed for a short time.
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
            request.decodes = call.decodes
            request.trust = try trust(url, of: endpoint)
            if let authorization, let home, url.isSameOrigin(as: home) {
                request.headers.append(("Authorization", authorization))
            }
            let response = try transfer(request, isAbandoned: call.isAbandoned, sink: sink)
            // RFC 9110 §15.4: 307 and 308 keep method and body; after another one what was to be sent would be lost.
            let isForAll = [307, 308].contains(response.status)
            guard isForAll || [301, 302, 303].contains(response.status),
                !call.stopsAtRedirect, let location = response.header("location"),
                isForAll || call.method == "GET" || call.method == "HEAD"
            else { return response }
            url = try target(location, from: url, call, endpoint)
        }
        throw RegistryError(
            .malformed, call.method, first.shown, "more than \(Self.redirectLimit) redirects")
    }

    private func target(
        _ location: String, from url: URLParts, _ call: RepositoryRequest, _ endpoint: Endpoint
    ) throws(RegistryError) -> URLParts {
        guard let next = URLParts(location, relativeTo: url.text) else {
            throw RegistryError(
                .malformed, call.method, url.shown, "it redirects to something that is no URL")
        }
        guard !(url.scheme == "https" && next.scheme == "http") || endpoint.trust.isInsecure else {
            throw RegistryError(
                .malformed, call.method, url.shown,
                "it redirects from TLS to plain HTTP at \(next.shown)")
        }
        return next
    }

    /// Whether it wants to know who we are. 403 is what RFC 6750 §3.1 has for a token with too small a scope.
    private static func isChallenge(
        _ response: HTTPResponse, _ challenges: [Challenge], isAgain: Bool
    ) -> Bool {
        let asksForMore = challenges.contains { $0.parameters["error"] == "insufficient_scope" }
        return isAgain || response.status == 403
            ? asksForMore && [401, 403].contains(response.status) : response.status == 401
    }

    private func challenges(of response: HTTPResponse, _ endpoint: Endpoint) throws(RegistryError)
        -> [Challenge]
    {
        let sent = response.all("www-authenticate").flatMap(Challenge.parse)
        guard sent.isEmpty, response.status == 401 else { return sent }
        if !endpoint.challenges.isEmpty { return endpoint.challenges }
        return try ping(endpoint.base, endpoint.trust).all("www-authenticate").flatMap(
            Challenge.parse)
    }

    /// distribution-spec, "Warnings": each once.
    private func tellWarnings(_ response: HTTPResponse, _ call: RepositoryRequest) {
        for text in response.all("warning").compactMap(Self.warning) {
            let isNew = warnings.quietly { $0.insert("\(call.domain): \(text)").inserted }
            if isNew { settings.warn("\(call.domain) warns: \(text)") }
        }
    }

    /// `299 - "text"` → `text`; nil for other codes (RFC 7234 §5.5).
    static func warning(_ header: String) -> String? {
        guard header.hasPrefix("299 "), let quote = header.firstIndex(of: "\"") else { return nil }
        var text = ""
        var isEscaped = false
        for character in header[header.index(after: quote)...] {
            if character == "\"", !isEscaped { break }
            isEscaped = character == "\\" && !isEscaped
            if !isEscaped { text.append(character) }
        }
        return String(text.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }.prefix(500))
    }
}
