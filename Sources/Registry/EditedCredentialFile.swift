internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// A file of credentials that is about to be changed; what is not known of it stays as it is.
struct EditedCredentialFile {
    let path: String
    private var members: [String: AnyJSON] = [:]

    /// A file that is not there is an empty one. Throws where it cannot be understood.
    init(_ path: String) throws(RegistryError) {
        self.path = path
        do throws(SystemError) {
            let bytes = try Files.read(path, limit: 4 << 20)
            guard bytes.contains(where: { !" \t\r\n".utf8.contains($0) }) else { return }
            // What is no object is no such file.
            guard
                case .object(let members)? = try? JSONDecoder().decode(
                    AnyJSON.self, from: Data(bytes))
            else { throw SystemError("read", path, errno: EINVAL) }
            self.members = members
        } catch {
            guard error.errno != ENOENT else { return }
            throw RegistryError(
                .local(error.errno), "read", path,
                error.errno == EINVAL
                    ? "it is no file of credentials" : SystemError.text(error.errno),
                hint: "mend it or remove it (containers-auth.json(5))")
        }
    }

    private var auths: [String: AnyJSON] {
        if case .object(let auths)? = members["auths"] { auths } else { [:] }
    }

    var keys: [String] { auths.keys.sorted() }

    /// Helpers by host.
    var helpers: [(host: String, helper: String)] {
        guard case .object(let helpers)? = members["credHelpers"] else { return [] }
        return helpers.sorted { $0.key < $1.key }.compactMap { host, value in
            if case .string(let helper) = value { (host, helper) } else { nil }
        }
    }

    var store: String? {
        if case .string(let helper)? = members["credsStore"], !helper.isEmpty {
            helper
        } else {
            nil
        }
    }

    mutating func set(_ key: String, user: String, password: String) {
        var auths = auths
        let pair = Data("\(user):\(password)".utf8).base64EncodedString()
        auths[key] = .object(["auth": .string(pair)])
        members["auths"] = .object(auths)
    }

    /// False where there is nothing to remove.
    mutating func remove(where isGone: (String) -> Bool) -> Bool {
        let left = auths.filter { !isGone($0.key) }
        guard left.count < auths.count else { return false }
        members["auths"] = .object(left)
        return true
    }

    /// For the user alone, whole or not at all.
    func write() throws(RegistryError) {
        do throws(SystemError) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            // It was decoded, but for strings.
            guard let data = try? encoder.encode(AnyJSON.object(members)) else {
                throw SystemError("write", path, errno: EINVAL)
            }
            try Files.makeDirectories(RootedPath.split(path).parent, mode: 0o700)
            try Files.writeAtomically(path, Array(data) + [10], mode: 0o600)
        } catch {
            throw RegistryError(
                .local(error.errno), "write", path, SystemError.text(error.errno),
                hint: "REGISTRY_AUTH_FILE names another file")
        }
    }
}
