internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem

/// Programs that keep credentials: `docker-credential-NAME get|store|erase|list`, by the protocol of
/// github.com/docker/docker-credential-helpers. Secrets go through their standard input and output alone.
struct CredentialHelpers: Sendable {
    let environment: [String: String]
    /// Seconds that a helper may take: it may ask a person for a password.
    static let patience: Int64 = 120

    /// What it has for a registry; nil where it has nothing.
    func get(_ helper: String, _ names: RegistryNames) throws(RegistryError) -> Credential? {
        for url in names.urls {
            guard let output = try run(helper, "get", Array(url.utf8)) else { continue }
            // Anything may stand there.
            guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(output)) else {
                throw failure(helper, "get", "what it says is no credentials")
            }
            return Credential(user: answer.username ?? "", secret: answer.secret ?? "")
        }
        return nil
    }

    func store(_ helper: String, _ names: RegistryNames, user: String, password: String)
        throws(RegistryError)
    {
        let entry = Answer(serverURL: names.urls[0], username: user, secret: password)
        // It is three strings.
        guard let bytes = try? JSONEncoder().encode(entry) else { return }
        _ = try run(helper, "store", Array(bytes))
    }

    /// False where it had nothing.
    func erase(_ helper: String, _ url: String) throws(RegistryError) -> Bool {
        try run(helper, "erase", Array(url.utf8)) != nil
    }

    /// The URLs that it has something for.
    func list(_ helper: String) throws(RegistryError) -> [String] {
        let output = try run(helper, "list", []) ?? []
        // Anything may stand there.
        guard let list = try? JSONDecoder().decode([String: String].self, from: Data(output)) else {
            throw failure(helper, "list", "what it says is no list")
        }
        return list.keys.sorted()
    }

    /// Its output; nil where it says that it has no such credentials.
    private func run(_ helper: String, _ verb: String, _ input: [UInt8]) throws(RegistryError)
        -> [UInt8]?
    {
        let name = "docker-credential-" + helper
        let path = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        guard !helper.contains("/"),
            let program = path.split(separator: ":").map({ directory -> String in
                "\(directory)/\(name)"
            }).first(where: {
                access($0, X_OK) == 0
            })
        else { throw failure(helper, verb, "there is no such program in PATH") }
        let ended: ProgramOutput.Ended
        do throws(SystemError) {
            ended = try ProgramOutput.run(
                program, [verb], input: input, environment: environment,
                milliseconds: Self.patience * 1000)
        } catch {
            throw failure(helper, verb, SystemError.text(error.errno))
        }
        if ended.status == 0 { return ended.output }
        let said = String(decoding: ended.output.prefix(300), as: UTF8.self)
        // The protocol has no other sign: credentials.errCredentialsNotFoundMessage of docker-credential-helpers.
        if said.firstRange(of: "credentials not found") != nil { return nil }
        throw failure(
            helper, verb,
            said.filter { !$0.isNewline }.isEmpty
                ? "it ended with status \(ended.status)" : said.filter { !$0.isNewline })
    }

    private func failure(_ helper: String, _ verb: String, _ reason: String) -> RegistryError {
        RegistryError(
            .local(ECHILD), "run", "docker-credential-\(helper) \(verb)", reason,
            hint: "it is named by credsStore or credHelpers of a file of credentials")
    }

    private struct Answer: Codable {
        var serverURL: String?
        var username: String?
        var secret: String?

        private enum CodingKeys: String, CodingKey {
            case serverURL = "ServerURL"
            case username = "Username"
            case secret = "Secret"
        }
    }
}
