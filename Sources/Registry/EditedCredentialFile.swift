internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem

/// A file of credentials that is about to be changed; what is not known of it stays as it is.
struct EditedCredentialFile {
    let path: String
    private var members: [String: JSONTree] = [:]

    /// A file that is not there is an empty one. Throws where it cannot be understood.
    init(_ path: String) throws(RegistryError) {
        self.path = path
        do throws(SystemError) {
            let bytes = try Files.read(path, limit: 4 << 20)
            guard bytes.contains(where: { !" \t\r\n".utf8.contains($0) }) else { return }
            // What is no object is no such file.
            guard
                case .object(let members)? = try? JSONDecoder().decode(
                    JSONTree.self, from: Data(bytes))
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

    private var auths: [String: JSONTree] {
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
            guard let data = try? encoder.encode(JSONTree.object(members)) else {
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

/// JSON of whatever shape.
enum JSONTree: Codable, Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case list([JSONTree])
    case object([String: JSONTree])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {  // each is a question
            self = .bool(bool)
        } else if let integer = try? value.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let list = try? value.decode([JSONTree].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSONTree].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
