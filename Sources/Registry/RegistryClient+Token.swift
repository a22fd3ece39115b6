internal import FoundationEssentials
internal import Threads

extension RegistryClient {
    /// Seconds that every token is good for (distribution-spec's token.md: clients should assume 60).
    static let shortestLife = 60

    /// What this repository took before. One that has run out is replaced before the registry has to refuse it.
    func knownAuthorization(for call: RepositoryRequest) throws(RegistryError) -> String? {
        let key = AccessKey(call)
        guard let known = authorizations.quietly({ $0[key] }) else { return nil }
        if known.isGood { return known.text }
        guard let challenge = known.challenge else { return nil }
        return try authorize(call, try endpoint(for: call), [challenge], refused: known.text)
    }

    /// Answers challenges; nil where nothing more can be offered than what was refused.
    func authorize(
        _ call: RepositoryRequest, _ endpoint: Endpoint, _ challenges: [Challenge],
        refused: String?
    ) throws(RegistryError) -> String? {
        let answer = try answer(challenges, call, endpoint, refused)
        let isNew = answer.map { $0.text != refused } ?? false
        authorizations.quietly { $0[AccessKey(call)] = isNew ? answer : nil }
        return isNew ? answer?.text : nil
    }

    private func answer(
        _ challenges: [Challenge], _ call: RepositoryRequest, _ endpoint: Endpoint,
        _ refused: String?
    ) throws(RegistryError) -> Authorization? {
        let credential = try credentials.credential(domain: call.domain, path: call.repository)
        if let challenge = Self.bearer(challenges) {
            if case .bearer(let token)? = credential {
                return Authorization(text: "Bearer " + token)
            }
            let key = TokenKey(
                realm: challenge.parameters["realm"] ?? "",
                service: challenge.parameters["service"],
                scopes: Self.scopes(challenges, call), credential: credential)
            return try token(key, refused: refused) { () throws(RegistryError) in
                var token = try askToken(key, call, endpoint)
                token.challenge = challenge
                return token
            }
        }
        if challenges.contains(where: { $0.scheme == "basic" }),
            case .basic(let user, let password)? = credential
        {
            return Authorization(text: Self.basic(user, password))
        }
        return nil
    }

    static func basic(_ user: String, _ password: String) -> String {
        "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    /// The first that says where tokens are had.
    private static func bearer(_ challenges: [Challenge]) -> Challenge? {
        let all = challenges.filter { $0.scheme == "bearer" }
        return all.first { $0.parameters["realm"] != nil } ?? all.first
    }

    /// The scopes to ask for: what the registry named, else what is about to be done. In order, each once.
    static func scopes(_ challenges: [Challenge], _ call: RepositoryRequest) -> [String] {
        let named =
            bearer(challenges)?.parameters["scope"]?.split(separator: " ").map(String.init) ?? []
        guard named.isEmpty else { return Set(named).sorted() }
        guard !call.repository.isEmpty else { return [] }
        return ["repository:\(call.repository):\(call.access.rawValue)"]
    }

    private func askToken(
        _ key: TokenKey, _ call: RepositoryRequest, _ endpoint: Endpoint
    ) throws(RegistryError) -> Authorization {
        guard let realm = URLParts(key.realm) else {
            throw RegistryError(
                .malformed, "authenticate", call.domain, "its challenge names no token server")
        }
        guard
            realm.scheme == "https" || !endpoint.base.hasPrefix("https:")
                || endpoint.trust.isInsecure
        else {
            throw RegistryError(
                .malformed, "authenticate", realm.shown,
                "a token server without TLS for a registry with it")
        }
        let trust = try trust(realm, of: endpoint)
        var response = HTTPResponse()
        for way in TokenWay.ways(for: key.credential) {
            response = try send(way.request(realm, key), trust, realm)
            if !way.isUnknown(response.status) { break }
        }
        guard response.isSuccess else {
            throw Self.tokenRefusal(response, call, realm, key.credential)
        }
        // Whatever it is, it is no token.
        let body = try? JSONDecoder().decode(TokenBody.self, from: Data(response.body))
        guard let value = body?.token ?? body?.accessToken, !value.isEmpty,
            value.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else { throw RegistryError(.malformed, "authenticate", realm.shown, "it sent no token") }
        let life = max(body?.expiresIn ?? Self.shortestLife, Self.shortestLife)
        // A tenth early, so that it does not run out on the way.
        return Authorization(text: "Bearer " + value, until: .now + .seconds(Double(life) * 0.9))
    }

    private func send(
        _ request: HTTPRequest, _ trust: Trust, _ realm: URLParts
    ) throws(RegistryError) -> HTTPResponse {
        var request = request
        request.trust = trust
        let asked = request
        return try retrying { () throws(RegistryError) -> HTTPResponse in
            let response = try transfer(asked, sink: nil)
            if response.status == 429 {
                throw Self.rateLimit(response, "authenticate", realm, "the token server's")
            }
            if RegistryError.isTransient(status: response.status) {
                throw RegistryError(
                    .status(response.status), "authenticate", realm.shown,
                    "the token server answered with status \(response.status)",
                    retryAfter: Self.retryAfter(response))
            }
            return response
        }
    }

    private static func tokenRefusal(
        _ response: HTTPResponse, _ call: RepositoryRequest, _ realm: URLParts,
        _ credential: Credential?
    ) -> RegistryError {
        switch response.status {
        case 401, 403, 400, 404:
            let repository =
                call.repository.isEmpty ? call.domain : "\(call.domain)/\(call.repository)"
            return credential == nil
                ? RegistryError(
                    .unauthorized, "authenticate", realm.shown,
                    "\(repository) does not exist, or may not be read without logging in",
                    hint: "check the spelling, or: martlet login \(call.domain)")
                : RegistryError(
                    .unauthorized, "authenticate", realm.shown,
                    "the credentials for \(call.domain) were refused",
                    hint: "martlet login \(call.domain), or check the spelling of \(repository)")
        default:
            return RegistryError(
                .status(response.status), "authenticate", realm.shown,
                "the token server answered with status \(response.status)")
        }
    }
}

/// One of the ways in which token servers are asked.
private enum TokenWay {
    /// docs.docker.com, "Token authentication specification": GET, with the user's name and password or nothing.
    case query
    /// The same page, "OAuth2": POST.
    case form

    /// Best first. A refresh token is OAuth2's; all servers know the other way for a password, and a wrong one is not to be sent
    /// twice.
    static func ways(for credential: Credential?) -> [TokenWay] {
        switch credential {
        case .identity: [.form, .query]
        case .basic: [.query, .form]
        case .bearer, nil: [.query]
        }
    }

    /// Whether the status may say that the server does not know this way: 404 (gcr.io), 401 (Artifactory), 400 (Azure) and 405
    /// to a POST, as containerd found.
    func isUnknown(_ status: Int) -> Bool {
        switch self {
        case .form: [400, 401, 404, 405].contains(status)
        case .query: [404, 405].contains(status)
        }
    }

    func request(_ realm: URLParts, _ key: TokenKey) -> HTTPRequest {
        let service = key.service.map { [("service", $0)] } ?? []
        switch self {
        case .query:
            var items = service + key.scopes.map { ("scope", $0) }
            var headers: [(name: String, value: String)] = []
            switch key.credential {
            case .basic(let user, let password):
                items.append(("account", user))
                headers = [("Authorization", RegistryClient.basic(user, password))]
            case .identity(let token):
                headers = [("Authorization", RegistryClient.basic("", token))]
            case .bearer, nil: break
            }
            let query = URLParts.query(items)
            let join = realm.text.contains("?") ? "&" : "?"
            return HTTPRequest(
                method: "GET", url: realm.text + (query.isEmpty ? "" : join + query),
                headers: headers)
        case .form:
            var form = service + [("client_id", "martlet")]
            if !key.scopes.isEmpty { form.append(("scope", key.scopes.joined(separator: " "))) }
            switch key.credential {
            case .basic(let user, let password):
                form += [("grant_type", "password"), ("username", user), ("password", password)]
            case .identity(let token):
                form += [("grant_type", "refresh_token"), ("refresh_token", token)]
            case .bearer, nil: break
            }
            return HTTPRequest(
                method: "POST", url: realm.text,
                headers: [("Content-Type", "application/x-www-form-urlencoded")],
                body: .bytes(Array(URLParts.query(form).utf8)))
        }
    }
}

/// The same page's answer.
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
