internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Threads

/// Logging in to registries and out of them: credentials are tried, then kept where podman keeps them, or by the helper that the
/// registry has.
public struct RegistryLogin: Sendable {
    let settings: RegistrySettings
    let insecure: Bool

    /// `insecure` allows plain HTTP and unverified TLS.
    public init(settings: RegistrySettings, insecure: Bool = false) {
        self.settings = settings
        self.insecure = insecure
    }

    /// What a login came to.
    public struct Outcome: Hashable, Sendable {
        /// `ghcr.io`, `ghcr.io/team`.
        public let registry: String
        /// The file or the helper that keeps the credentials.
        public let place: String
        /// Whether the registry wanted to know them; else nobody knows whether they are right.
        public let isVerified: Bool
    }

    /// Throws `.malformed` for what names no registry.
    public static func check(_ name: String) throws(RegistryError) { _ = try RegistryKey(name) }

    private var helpers: CredentialHelpers { CredentialHelpers(environment: settings.environment) }
    private var path: String { CredentialFiles.primary(settings.environment) }

    /// Tries the credentials and keeps them; where they are wrong, everything stays as it was. `name` is a registry's host with
    /// its port, and maybe a namespace there for which alone they are meant. Blocks.
    public func login(_ name: String, user: String, password: String) throws(RegistryError)
        -> Outcome
    {
        let key = try RegistryKey(name)
        guard !user.isEmpty, !user.contains(":") else {
            throw RegistryError(
                .malformed, "log in to", key.text, "\"\(user)\" is no user's name")
        }
        let client = RegistryClient(
            settings: settings, insecure: insecure,
            credentials: CredentialFiles(only: .basic(user: user, password: password)))
        let isVerified = try client.tryLogin(key)
        var file = try EditedCredentialFile(path)
        // Helpers know hosts alone.
        if key.isHost,
            let helper = try CredentialFiles(settings: settings).helper(key.names)
        {
            try helpers.store(helper, key.names, user: user, password: password)
            // It would be found before.
            if file.remove(where: key.names.isKey) { try file.write() }
            return Outcome(
                registry: key.text, place: "docker-credential-\(helper)", isVerified: isVerified)
        }
        file.set(key.text, user: user, password: password)
        try file.write()
        return Outcome(registry: key.text, place: path, isVerified: isVerified)
    }

    /// Drops a registry's credentials. Throws `.notFound` where there are none. Blocks.
    public func logout(_ name: String) throws(RegistryError) {
        let key = try RegistryKey(name)
        var isDone = false
        let files = CredentialFiles(settings: settings)
        if key.isHost, let helper = try files.helper(key.names) {
            for url in key.names.urls { isDone = try helpers.erase(helper, url) || isDone }
        }
        var file = try EditedCredentialFile(path)
        if file.remove(where: { $0 == key.text || (key.isHost && key.names.isKey($0)) }) {
            try file.write()
            isDone = true
        }
        guard !isDone else { return }
        let isElsewhere = try files.credential(domain: key.domain, path: key.path) != nil
        throw RegistryError(
            .notFound, "log out of", key.text, "nobody is logged in by \(path)",
            hint: isElsewhere ? "another program's file has credentials: docker logout" : nil)
    }

    /// Drops the credentials of all registries; returns which they were. Blocks.
    public func logoutAll() throws(RegistryError) -> [String] {
        var file = try EditedCredentialFile(path)
        var gone = Set(file.keys)
        if file.remove(where: { _ in true }) { try file.write() }
        for (host, helper) in file.helpers where !host.isEmpty {
            for url in RegistryNames(host).urls where try helpers.erase(helper, url) {
                gone.insert(host)
            }
        }
        if let helper = file.store {
            for url in try helpers.list(helper) where try helpers.erase(helper, url) {
                gone.insert(url)
            }
        }
        return gone.sorted()
    }
}

/// What credentials are for: a registry, or a namespace of it.
struct RegistryKey: Hashable, Sendable {
    let domain: String
    /// Empty for all of the registry.
    let path: String

    /// Reads `host[:port][/namespace]`, and what Docker has for its Hub.
    init(_ name: String) throws(RegistryError) {
        let bare = RegistryNames.bare(name)
        let parts = bare.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let host = String(parts.first ?? "")
        let rest = parts.count > 1 ? String(parts[1]) : ""
        // What follows is only there to make it a reference.
        guard let reference = try? ImageReference("\(host)/\(rest.isEmpty ? "any/thing" : rest)"),
            reference.domain == host || host == "index.docker.io", reference.digest == nil
        else {
            throw RegistryError(
                .malformed, "log in to", name.isEmpty ? "\"\"" : name, "it is no registry's host",
                hint: "write ghcr.io, or 127.0.0.1:5000")
        }
        domain = reference.domain
        path = rest
    }

    var isHost: Bool { path.isEmpty }
    var text: String { isHost ? domain : "\(domain)/\(path)" }
    var names: RegistryNames { RegistryNames(domain) }
}

extension RegistryClient {
    /// Asks the registry itself whether it takes these credentials; false where it takes anybody.
    func tryLogin(_ key: RegistryKey) throws(RegistryError) -> Bool {
        var call = RepositoryRequest(domain: key.domain, repository: "", location: "/v2/")
        if let reference = try? ImageReference("\(key.domain)/any/thing") {
            call.isInsecure = try configuration.get().isInsecure(reference) || insecure
        }
        do throws(RegistryError) {
            _ = try request(call)
        } catch {
            switch error.kind {
            case .unauthorized, .forbidden:
                throw RegistryError(
                    .unauthorized, "log in to", key.domain,
                    "the user name or the password is wrong",
                    hint: "some registries want a token in the password's place; nothing was stored"
                )
            case .notFound:
                throw RegistryError(
                    .notFound, "log in to", key.domain, "there is no registry (no /v2/)",
                    hint: "check the spelling; nothing was stored")
            default: throw error
            }
        }
        return authorizations.quietly { !$0.isEmpty }
    }
}
