import Foundation
import Registry

/// A token server for docker-registry (distribution's token/jwt.md): it signs by RS256 what its rules allow; the registry alone
/// judges signature and scope.
final class TokenServer {
    let server: FakeRegistry
    let directory: String
    private static let issuer = "tests"
    static let service = "registry"

    /// What a user may do in a repository: `pull`, `push`. The user is nil where nobody is logged in.
    typealias Rule = @Sendable (_ user: String?, _ repository: String) -> Set<String>

    init(_ scratch: Scratch, passwords: [String: String], rule: @escaping Rule) throws {
        directory = scratch.path + "/token"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try Tools.run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            "/CN=tokens", "-keyout", directory + "/key", "-out", directory + "/crt")
        let pem = try String(contentsOfFile: directory + "/crt", encoding: .utf8)
        let chain = pem.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()
        server = try FakeRegistry { [directory] request, _ in
            let items = URLComponents(string: request.target)?.queryItems ?? []
            var user: String?
            if let header = request.headers["authorization"] {
                let pair = Data(base64Encoded: header.dropFirst(6).description)
                let parts = String(decoding: pair ?? Data(), as: UTF8.self).split(
                    separator: ":", maxSplits: 1)
                guard parts.count == 2, passwords[String(parts[0])] == String(parts[1]) else {
                    return FakeRegistry.Answer(status: 401)
                }
                user = String(parts[0])
            }
            var access: [[String: Any]] = []
            for item in items where item.name == "scope" {
                let parts = (item.value ?? "").split(separator: ":").map(String.init)
                guard parts.count == 3 else { continue }
                let wanted = parts[2].split(separator: ",").map(String.init)
                let granted = rule(user, parts[1]).intersection(wanted).sorted()
                access.append(["type": parts[0], "name": parts[1], "actions": granted])
            }
            guard let token = try? Self.sign(access, user ?? "", chain, directory) else {
                return FakeRegistry.Answer(status: 500)
            }
            return FakeRegistry.Answer(body: Array("{\"token\":\"\(token)\"}".utf8))
        }
    }

    deinit { server.close() }

    /// For the registry's configuration.
    var configuration: String {
        "auth: {token: {realm: 'http://\(server.host)/token', service: \(Self.service), issuer: \(Self.issuer), rootcertbundle: \(directory)/crt}}"
    }

    private static func sign(
        _ access: [[String: Any]], _ user: String, _ chain: String, _ directory: String
    ) throws -> String {
        func part(_ value: [String: Any]) throws -> String {
            base64(try JSONSerialization.data(withJSONObject: value))
        }
        let now = Int(Date().timeIntervalSince1970)
        let text =
            try part(["typ": "JWT", "alg": "RS256", "x5c": [chain]]) + "."
            + part([
                "iss": issuer, "sub": user, "aud": service, "exp": now + 300, "nbf": now - 10,
                "iat": now, "jti": UUID().uuidString, "access": access,
            ])
        let file = directory + "/" + UUID().uuidString
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try Tools.run(
            "openssl", "dgst", "-sha256", "-sign", directory + "/key", "-out", file + ".sig", file)
        return text + "." + base64(try Data(contentsOf: URL(fileURLWithPath: file + ".sig")))
    }

    private static func base64(_ data: Data) -> String {
        data.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
