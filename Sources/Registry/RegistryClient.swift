internal import OCISpec
internal import Threads

/// One person's dealings with registries: credentials, tokens, and where each registry is.
///
/// Every call blocks its thread and may be made from several at once.
public final class RegistryClient: Sendable {
    let settings: RegistrySettings
    /// Whether plain HTTP and unverified TLS are allowed for the registry that a reference names, whatever registries.conf says.
    let insecure: Bool
    let isCancelled: @Sendable () -> Bool
    let credentials: CredentialFiles
    let configuration: Result<RegistriesConfiguration, RegistryError>
    /// How each registry is reached, once it is known.
    let endpoints = Monitor<[EndpointKey: Endpoint]>([:])
    /// What certs.d has for each host that was asked; nil where it has nothing.
    let certificates = Monitor<[String: HostCertificates?]>([:])
    /// What a repository took last.
    let authorizations = Monitor<[AccessKey: Authorization]>([:])
    let tokens = Monitor<[TokenKey: TokenState]>([:])
    /// Mirrors that have failed: they are not asked again.
    let failedMirrors = Monitor<Set<RepositorySource>>([])
    let warnings = Monitor<Set<String>>([])
    /// Bytes of all blobs so far: whether the pull gets on.
    let received = Monitor<Int64>(0)

    public convenience init(
        settings: RegistrySettings, insecure: Bool = false,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.init(
            settings: settings, insecure: insecure,
            credentials: CredentialFiles(settings: settings), isCancelled: isCancelled)
    }

    init(
        settings: RegistrySettings, insecure: Bool, credentials: CredentialFiles,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.settings = settings
        self.insecure = insecure
        self.isCancelled = isCancelled
        self.credentials = credentials
        configuration = Result { () throws(RegistryError) in
            try RegistriesConfiguration(
                environment: settings.environment, system: settings.systemConfiguration)
        }
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
    /// Empty for what is asked of the registry itself.
    var repository: String
    /// Below `/v2/<repository>/`, or an absolute URL that the registry itself gave.
    var location: String
    var access = RepositoryAccess.pull
    /// Whether plain HTTP and unverified TLS are allowed; nil until the configuration is asked.
    var isInsecure: Bool?
    var headers: [(name: String, value: String)] = []
    var body = HTTPRequest.Body.none
    var bodyLimit = 1 << 20
    /// Whether a transfer's own compression is undone.
    var decodes = false
    /// Whether a redirect is an answer like any other.
    var stopsAtRedirect = false
    /// Whether nobody waits for the answer any more, besides the client's own cancellation.
    var isAbandoned: @Sendable () -> Bool = { false }
}

extension RepositoryRequest {
    /// What is read, from one of the places where it is.
    init(_ source: RepositorySource, _ location: String, method: String = "GET") {
        self.init(source.reference, location, method: method)
        isInsecure = source.isInsecure
    }

    /// To the very place that the reference names: what is written goes there.
    init(
        _ reference: ImageReference, _ location: String, method: String = "GET",
        access: RepositoryAccess = .pull
    ) {
        self.init(
            method: method, domain: reference.domain, repository: reference.path,
            location: location,
            access: access)
    }
}
