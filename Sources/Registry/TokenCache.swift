internal import Threads

/// What a token is good for: two requests that agree in this use one token.
struct TokenKey: Hashable, Sendable {
    var realm: String
    var service: String?
    /// In order, each once.
    var scopes: [String]
    /// Nil where nobody is logged in.
    var credential: Credential?
}

/// Where an authorization was taken.
struct AccessKey: Hashable, Sendable {
    var domain: String
    var repository: String
    var access: RepositoryAccess

    init(_ call: RepositoryRequest) {
        domain = call.domain
        repository = call.repository
        access = call.access
    }
}

/// A header's value, and how long it is good.
struct Authorization: Sendable {
    var text: String
    /// Nil where it does not run out.
    var until: ContinuousClock.Instant?
    /// What it was the answer to, so that another can be had before it runs out.
    var challenge: Challenge?

    var isGood: Bool { until.map { $0 > .now } ?? true }
}

enum TokenState: Sendable {
    /// A thread is asking; the others wait.
    case asked
    case known(Authorization)
}

extension RegistryClient {
    /// The token of the key: the one that is there, unless it was refused or has run out; else one thread asks for it and the
    /// others wait.
    func token(
        _ key: TokenKey, refused: String?, _ ask: () throws(RegistryError) -> Authorization
    ) throws(RegistryError) -> Authorization {
        while !isCancelled() {
            let found: Authorization?? = tokens.wait(seconds: 0.2) { tokens in
                switch tokens[key] {
                case .asked?: return nil
                case .known(let token)? where token.isGood && token.text != refused:
                    return .some(token)
                default:
                    tokens[key] = .asked
                    return .some(nil)
                }
            }
            guard let found else { continue }
            if let known = found { return known }
            var answer: Authorization?
            defer { tokens.withLock { $0[key] = answer.map { .known($0) } } }
            let token = try ask()
            answer = token
            return token
        }
        throw RegistryError(.cancelled, "authenticate", key.realm, "cancelled")
    }
}
