internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem

/// One file of credentials, as it was read.
struct CredentialFile: Sendable {
    let path: String
    let document: Result<CredentialDocument, RegistryError>

    /// Nil where there is no such file, or not for us.
    init?(_ candidate: CredentialFiles.Candidate) {
        // A missing file is the usual case, and one of somebody else's is none of ours.
        guard let bytes = try? Files.read(candidate.path, limit: 4 << 20) else { return nil }
        self.init(path: candidate.path, bytes: bytes, isLegacy: candidate.isLegacy)
    }

    init(path: String, bytes: [UInt8], isLegacy: Bool = false) {
        self.path = path
        document = Result { () throws(RegistryError) in
            // podman makes empty ones.
            guard bytes.contains(where: { !" \t\r\n".utf8.contains($0) }) else {
                return CredentialDocument()
            }
            do {
                let decoder = JSONDecoder()
                guard isLegacy else {
                    return try decoder.decode(CredentialDocument.self, from: Data(bytes))
                }
                let auths = try decoder.decode(
                    [String: CredentialDocument.Entry].self, from: Data(bytes))
                return CredentialDocument(auths: auths)
            } catch {
                throw RegistryError(
                    .local(EINVAL), "read", path, "it is no file of credentials",
                    hint: "mend it or remove it (containers-auth.json(5))")
            }
        }
    }
}

/// What such a file holds, as far as credentials go.
struct CredentialDocument: Decodable, Sendable {
    var auths: [String: Entry]?
    var credHelpers: [String: String]?
    var credsStore: String?

    struct Entry: Decodable, Sendable {
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
            return Credential(
                user: String(decoding: bytes[..<colon], as: UTF8.self),
                secret: String(decoding: bytes[(colon + 1)...], as: UTF8.self))
        }
    }

    /// The helper for this registry alone.
    func helper(_ names: RegistryNames) -> String? {
        credHelpers?.first { names.isKey($0.key) && !$0.value.isEmpty }?.value
    }

    func credential(_ names: RegistryNames, _ path: String) -> Credential? {
        var keys: [String] = []
        var components = path.split(separator: "/")
        while !components.isEmpty {
            keys.append(names.domain + "/" + components.joined(separator: "/"))
            components.removeLast()
        }
        // The host's own name before others, and a name before a URL.
        for key in keys + [names.domain] + names.hosts {
            if let credential = auths?[key]?.credential { return credential }
        }
        return auths?.sorted { $0.key < $1.key }.first {
            names.isKey($0.key) && $0.value.credential != nil
        }?
        .value.credential
    }
}
