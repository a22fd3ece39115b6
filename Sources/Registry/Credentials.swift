internal import FoundationEssentials
internal import LinuxSystem

/// Who one is to a registry.
public enum Credential: Hashable, Sendable {
    case basic(user: String, password: String)
    /// A refresh token, from which access tokens are had by OAuth2.
    case identity(token: String)
    /// An access token, used as it is.
    case bearer(token: String)
}

/// The `auths` of containers-auth.json(5) and of Docker's config.json, in the order in which podman looks.
public struct CredentialFiles: Sendable {
    private let files: [Document]

    /// Reads what exists; a file that cannot be read or parsed is passed over, as podman and Docker do.
    public init(environment: [String: String]) {
        files = Self.candidates(environment).compactMap { path in
            // A missing file is the usual case.
            guard let bytes = try? Files.read(path, limit: 4 << 20) else { return nil }
            return try? JSONDecoder().decode(Document.self, from: Data(bytes))
        }
    }

    init(documents: [[UInt8]]) {
        files = documents.compactMap { try? JSONDecoder().decode(Document.self, from: Data($0)) }
    }

    static func candidates(_ environment: [String: String]) -> [String] {
        func value(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        if let explicit = value("REGISTRY_AUTH_FILE") { return [explicit] }
        var paths: [String] = []
        if let directory = value("XDG_RUNTIME_DIR") {
            paths.append(directory + "/containers/auth.json")
        }
        let home = value("HOME")
        if let config = value("XDG_CONFIG_HOME") ?? home.map({ $0 + "/.config" }) {
            paths.append(config + "/containers/auth.json")
        }
        if let docker = value("DOCKER_CONFIG") ?? home.map({ $0 + "/.docker" }) {
            paths.append(docker + "/config.json")
        }
        return paths
    }

    /// The most specific entry for a repository: `host/a/b`, then `host/a`, then `host`.
    public func credential(domain: String, path: String) -> Credential? {
        var keys: [String] = []
        var components = path.split(separator: "/")
        while !components.isEmpty {
            keys.append(domain + "/" + components.joined(separator: "/"))
            components.removeLast()
        }
        keys.append(domain)
        if domain == "docker.io" { keys += ["index.docker.io", "registry-1.docker.io"] }
        for key in keys {
            for file in files {
                if let entry = file.entry(key), let credential = entry.credential {
                    return credential
                }
            }
        }
        return nil
    }

    private struct Document: Decodable {
        var auths: [String: Entry]?

        func entry(_ key: String) -> Entry? {
            if let exact = auths?[key] { return exact }
            return auths?.first { Self.bare($0.key) == key }?.value
        }

        /// `https://index.docker.io/v1/` → `index.docker.io`. Only a key with a scheme or Docker's version suffix has its path cut.
        static func bare(_ key: String) -> String {
            guard let scheme = key.firstRange(of: "://") else { return key }
            return String(key[scheme.upperBound...].prefix { $0 != "/" })
        }
    }

    private struct Entry: Decodable {
        var auth: String?
        var identitytoken: String?
        var registrytoken: String?

        var credential: Credential? {
            if let token = registrytoken, !token.isEmpty { return .bearer(token: token) }
            if let token = identitytoken, !token.isEmpty { return .identity(token: token) }
            guard let auth, let data = Data(base64Encoded: auth) else { return nil }
            // Docker pads with zero bytes.
            let bytes = data.prefix { $0 != 0 }
            guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let user = String(decoding: bytes[..<colon], as: UTF8.self)
            let password = String(decoding: bytes[(colon + 1)...], as: UTF8.self)
            guard !user.isEmpty else { return nil }
            return user == "<token>"
                ? .identity(token: password) : .basic(user: user, password: password)
        }
    }
}
