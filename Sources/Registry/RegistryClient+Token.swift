internal import FoundationEssentials

/// What a token was asked for.
struct TokenKey: Hashable, Sendable {
    var domain: String
    var repository: String
    var access: RepositoryAccess
}

enum TokenState: Sendable {
    /// Another thread is asking.
    case asked
    case known(authorization: String, until: ContinuousClock.Instant?)
}

extension RegistryClient {
    /// Seconds that every token is good for (distribution-spec's token.md: clients should assume 60).
    static let shortestLife = 60

    /// What was used before in this repository and is still good; waits where another thread is asking for it.
    func knownAuthorization(for call: RepositoryRequest) throws(RegistryError) -> String? {
        let key = TokenKey(domain: call.domain, repository: call.repository, access: call.access)
        while !isCancelled() {
            let found: String?? = tokens.wait(seconds: 0.2) { tokens in
                switch tokens[key] {
                case nil: .some(nil)
                case .asked?: nil
                case .known(let authorization, let until)?:
                    Self.isGood(until) ? .some(authorization) : .some(nil)
                }
            }
            if let found { return found }
        }
        throw RegistryError(.cancelled, call.method, call.domain, "cancelled")
    }

    private static func isGood(_ until: ContinuousClock.Instant?) -> Bool {
        until.map { $0 > .now } ?? true
    }

    /// Answers a challenge: one thread asks for the token, the others wait for it. Nil where nothing more can be offered.
    func authorize(
        _ call: RepositoryRequest, _ challenges: [Challenge], refused: String?
    ) throws(RegistryError) -> String? {
        let key = TokenKey(domain: call.domain, repository: call.repository, access: call.access)
        let isMine = tokens.quietly { tokens in
            switch tokens[key] {
            case .asked?: return false
            // Another thread has a fresh one; an old one that ran out unused is asked for anew.
            case .known(let authorization, let until)?
            where authorization != refused && Self.isGood(until):
                return false
            default:
                tokens[key] = .asked
                return true
            }
        }
        guard isMine else { return try knownAuthorization(for: call) }
        var answer: (authorization: String, life: Int?)?
        defer {
            tokens.withLock { tokens in
                tokens[key] = answer.map { answer in
                    .known(
                        authorization: answer.authorization,
                        // A tenth early, so that it does not run out on the way.
                        until: answer.life.map { .now + .seconds(Double($0) * 0.9) })
                }
            }
        }
        answer = try self.answer(challenges, call)
        if answer?.authorization == refused { answer = nil }
        return answer?.authorization
    }

    private func answer(
        _ challenges: [Challenge], _ call: RepositoryRequest
    ) throws(RegistryError) -> (authorization: String, life: Int?)? {
        let credential = credentials.credential(domain: call.domain, path: call.repository)
        if let challenge = challenges.first(where: { $0.scheme == "bearer" }) {
            if case .bearer(let token)? = credential { return ("Bearer " + token, nil) }
            return try askToken(challenge, call, credential)
        }
        if challenges.contains(where: { $0.scheme == "basic" }),
            case .basic(let user, let password)? = credential
        {
            return (Self.basic(user, password), nil)
        }
        return nil
    }

    static func basic(_ user: String, _ password: String) -> String {
        "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    /// The scopes to ask for: what the registry named, else what is about to be done.
    static func scopes(_ challenge: Challenge, _ call: RepositoryRequest) -> [String] {
        let named = challenge.parameters["scope"]?.split(separator: " ").map(String.init) ?? []
        return named.isEmpty ? ["repository:\(call.repository):\(call.access.rawValue)"] : named
    }

    private func askToken(
        _ challenge: Challenge, _ call: RepositoryRequest, _ credential: Credential?
    ) throws(RegistryError) -> (authorization: String, life: Int?) {
        guard let text = challenge.parameters["realm"], let realm = URLParts(text) else {
            throw RegistryError(
                .malformed, "authenticate", call.domain, "its challenge names no token server")
        }
        let endpoint = try endpoint(for: call.domain)
        guard realm.scheme == "https" || !endpoint.base.hasPrefix("https:") || insecure else {
            throw RegistryError(
                .malformed, "authenticate", realm.shown,
                "a token server without TLS for a registry with it")
        }
        var request = tokenRequest(realm, challenge, Self.scopes(challenge, call), credential)
        request.verifiesTLS = endpoint.verifiesTLS
        let asked = request
        let response = try retrying { () throws(RegistryError) -> HTTPResponse in
            let response = try transfer(asked, sink: nil)
            guard response.isSuccess else {
                throw Self.tokenRefusal(response, call, realm, credential)
            }
            return response
        }
        // Whatever it is, it is no token.
        let token = try? JSONDecoder().decode(TokenBody.self, from: Data(response.body))
        guard let value = token?.token ?? token?.accessToken, !value.isEmpty,
            value.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else { throw RegistryError(.malformed, "authenticate", realm.shown, "it sent no token") }
        return ("Bearer " + value, max(token?.expiresIn ?? Self.shortestLife, Self.shortestLife))
    }

    /// GET with the user's name and password, or none at all; OAuth2 POST with a refresh token.
    private func tokenRequest(
        _ realm: URLParts, _ challenge: Challenge, _ scopes: [String], _ credential: Credential?
    ) -> HTTPRequest {
        let service = challenge.parameters["service"].map { [("service", $0)] } ?? []
        if case .identity(let refresh)? = credential {
            let form = [
                ("grant_type", "refresh_token"), ("refresh_token", refresh),
                ("client_id", "martlet"),
                ("scope", scopes.joined(separator: " ")),
            ]
            var request = HTTPRequest(method: "POST", url: realm.text)
            request.headers = [("Content-Type", "application/x-www-form-urlencoded")]
            request.body = .bytes(Array(URLParts.query(form + service).utf8))
            return request
        }
        let query = URLParts.query(service + scopes.map { ("scope", $0) })
        let join = realm.text.contains("?") ? "&" : "?"
        var request = HTTPRequest(
            method: "GET", url: realm.text + (query.isEmpty ? "" : join + query))
        if case .basic(let user, let password)? = credential {
            request.headers = [("Authorization", Self.basic(user, password))]
        }
        return request
    }

    private static func tokenRefusal(
        _ response: HTTPResponse, _ call: RepositoryRequest, _ realm: URLParts,
        _ credential: Credential?
    ) -> RegistryError {
        switch response.status {
        case 401, 403, 400, 404:
            RegistryError(
                .unauthorized, "authenticate", realm.shown,
                credential == nil
                    ? "no token without logging in to \(call.domain)"
                    : "the credentials for \(call.domain) were refused",
                hint:
                    "log in (podman login, docker login), or check the spelling of \(call.repository)"
            )
        case 429:
            RegistryError(
                .rateLimited(retryAfter: retryAfter(response)), "authenticate", realm.shown,
                "the token server's rate limit is reached")
        default:
            RegistryError(
                .status(response.status), "authenticate", realm.shown,
                "the token server answered with status \(response.status)")
        }
    }
}

/// docs.docker.com, "Token authentication specification".
private struct TokenBody: Decodable {
    var token: String?
    var accessToken: String?
    var expiresIn: Int?

    private enum CodingKeys: String, CodingKey {
        case token
        case accessToken = "access_token"
        case expiresIn = "expires_in"
    }
}
