internal import Glibc
internal import LinuxSystem

/// Where credentials are kept, in the order in which podman looks: containers-auth.json(5), and Docker's files after them.
///
/// The first file that knows the registry counts. Of one file a helper for the host (`credHelpers`) counts before one for all
/// (`credsStore`), and that before what stands in the file (`auths`).
public struct CredentialFiles: Sendable {
    private let files: [CredentialFile]
    private let helpers: CredentialHelpers
    /// What has to do for every registry; for a login that is tried.
    private var only: Credential?

    /// Reads what exists. A file that cannot be understood is an error of the first question.
    public init(settings: RegistrySettings) {
        files = Self.candidates(settings.environment).compactMap(CredentialFile.init)
        helpers = CredentialHelpers(environment: settings.environment)
    }

    init(documents: [[UInt8]], environment: [String: String] = [:]) {
        files = documents.map { CredentialFile(path: "a document", bytes: $0) }
        helpers = CredentialHelpers(environment: environment)
    }

    init(only: Credential) {
        self.init(documents: [])
        self.only = only
    }

    struct Candidate: Hashable {
        var path: String
        /// Of ~/.dockercfg, which is nothing but what `auths` is elsewhere.
        var isLegacy = false
    }

    static func candidates(_ environment: [String: String]) -> [Candidate] {
        func value(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        var candidates = [Candidate(path: primary(environment))]
        if value("REGISTRY_AUTH_FILE") != nil { return candidates }
        let home = value("HOME")
        if let config = value("XDG_CONFIG_HOME") ?? home.map({ $0 + "/.config" }) {
            candidates.append(Candidate(path: config + "/containers/auth.json"))
        }
        if let docker = value("DOCKER_CONFIG") ?? home.map({ $0 + "/.docker" }) {
            candidates.append(Candidate(path: docker + "/config.json"))
        }
        if let home { candidates.append(Candidate(path: home + "/.dockercfg", isLegacy: true)) }
        return candidates
    }

    /// The file that a login writes: podman's own.
    static func primary(_ environment: [String: String]) -> String {
        for (name, rest) in [
            ("REGISTRY_AUTH_FILE", ""), ("XDG_RUNTIME_DIR", "/containers/auth.json"),
        ] {
            if let value = environment[name], !value.isEmpty { return value + rest }
        }
        return "/run/containers/\(getuid())/auth.json"
    }

    /// The most specific entry for a repository: `host/a/b`, then `host/a`, then `host`. Throws where a file or a helper cannot
    /// tell. May run a helper, and wait for it.
    public func credential(domain: String, path: String) throws(RegistryError) -> Credential? {
        if let only { return only }
        let names = RegistryNames(domain)
        for file in files {
            let document = try file.document.get()
            if let helper = document.helper(names) {
                return try helpers.get(helper, names)
            }
            if let helper = document.credsStore, !helper.isEmpty,
                let found = try helpers.get(helper, names)
            {
                return found
            }
            if let found = document.credential(names, path) { return found }
        }
        return nil
    }

    /// The helper that keeps a registry's credentials; nil where files do.
    func helper(_ names: RegistryNames) throws(RegistryError) -> String? {
        for file in files {
            let document = try file.document.get()
            if let helper = document.helper(names) { return helper }
            if let helper = document.credsStore, !helper.isEmpty { return helper }
        }
        return nil
    }
}

/// The names under which a registry may be kept.
struct RegistryNames: Hashable, Sendable {
    let domain: String
    /// Docker's own names for its Hub (docker/cli config/configfile, registry/config.go).
    private static let dockerHub = ["docker.io", "index.docker.io", "registry-1.docker.io"]

    init(_ domain: String) { self.domain = domain }

    var hosts: [String] {
        Self.dockerHub.contains(domain) ? Self.dockerHub : [domain]
    }

    /// What helpers are asked for: Docker has its Hub by a URL.
    var urls: [String] {
        Self.dockerHub.contains(domain) ? ["https://index.docker.io/v1/", "docker.io"] : [domain]
    }

    /// Whether it is the key of a registry: a host, or, as Docker writes, a URL below it.
    func isKey(_ key: String) -> Bool { hosts.contains(Self.bare(key)) }

    /// `https://index.docker.io/v1/` → `index.docker.io`. Only a key with a scheme has its path cut: elsewhere it is a repository's.
    static func bare(_ key: String) -> String {
        guard let scheme = key.firstRange(of: "://") else { return key }
        return String(key[scheme.upperBound...].prefix { $0 != "/" })
    }
}
