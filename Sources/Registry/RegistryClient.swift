/// One person's dealings with registries: credentials, tokens and where each registry is.
///
/// Every call blocks its thread and may be made from several at once.
public final class RegistryClient: Sendable {
    let settings: RegistrySettings
    /// Whether plain HTTP and unverified TLS are allowed for hosts that are not this machine.
    let insecure: Bool
    let isCancelled: @Sendable () -> Bool
    let credentials: CredentialFiles
    /// How each registry is reached, once it is known.
    let endpoints = Monitor<[String: Endpoint]>([:])
    let tokens = Monitor<[TokenKey: TokenState]>([:])

    public init(
        settings: RegistrySettings, insecure: Bool = false,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.settings = settings
        self.insecure = insecure
        self.isCancelled = isCancelled
        credentials = CredentialFiles(environment: settings.environment)
    }
}

/// What is allowed to be done in a repository; part of a token's scope.
public enum RepositoryAccess: String, Sendable {
    case pull
    case push = "pull,push"
}

/// A request to a repository, before it is known how the registry is reached and who one must be.
struct RepositoryRequest: Sendable {
    var method = "GET"
    var domain: String
    var repository: String
    /// Below `/v2/<repository>/`, or an absolute URL that the registry itself gave.
    var location: String
    var access = RepositoryAccess.pull
    var headers: [(name: String, value: String)] = []
    var body = HTTPRequest.Body.none
    var bodyLimit = 1 << 20
    /// Whether nobody waits for the answer any more, besides the client's own cancellation.
    var isAbandoned: @Sendable () -> Bool = { false }
}
