import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

@Suite("Logging in and out")
struct LoginTests {
    /// A registry that knows alice, by a password or by a token for it.
    private static func registry(_ scheme: String) throws -> FakeRegistry {
        let basic = "Basic " + Data("alice:wonder:land".utf8).base64EncodedString()
        return try FakeRegistry { request, _ in
            let authorization = request.headers["authorization"]
            if request.path == "/token" {
                return authorization == basic
                    ? FakeRegistry.Answer(body: Array(#"{"token":"hers"}"#.utf8))
                    : FakeRegistry.Answer(status: 401)
            }
            let realm = "http://\(request.headers["host"] ?? "")/token"
            let isGood = authorization == (scheme == "Basic" ? basic : "Bearer hers")
            guard isGood || scheme == "none" else {
                let challenge =
                    scheme == "Basic"
                    ? #"Basic realm="r""# : "Bearer realm=\"\(realm)\",service=\"s\""
                return FakeRegistry.Answer(
                    status: 401, headers: [("WWW-Authenticate", challenge)])
            }
            return FakeRegistry.Answer(status: request.path == "/v2/" ? 200 : 404)
        }
    }

    private func file(_ scratch: Scratch) throws -> [String: Any] {
        let data = try Data(
            contentsOf: URL(fileURLWithPath: scratch.path + "/run/containers/auth.json"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test(
        "what the registry takes is kept in podman's file, for the user alone",
        arguments: ["Basic", "Bearer"])
    func kept(scheme: String) throws {
        let scratch = try Scratch()
        let registry = try Self.registry(scheme)
        defer { registry.close() }
        let login = RegistryLogin(settings: scratch.registrySettings)
        let outcome = try login.login(registry.host, user: "alice", password: "wonder:land")
        let path = scratch.path + "/run/containers/auth.json"
        #expect(outcome.place == path && outcome.isVerified && outcome.registry == registry.host)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(
            try CredentialFiles(settings: scratch.registrySettings).credential(
                domain: registry.host, path: "x") == .basic(user: "alice", password: "wonder:land"))
        if scheme == "Bearer" {
            #expect(registry.requests.map(\.target).contains("/token?service=s&account=alice"))
        }
    }

    @Test(
        "a wrong password is told, and everything stays as it was", arguments: ["Basic", "Bearer"])
    func wrong(scheme: String) throws {
        let scratch = try Scratch()
        let registry = try Self.registry(scheme)
        defer { registry.close() }
        let login = RegistryLogin(settings: scratch.registrySettings)
        let error = #expect(throws: RegistryError.self) {
            try login.login(registry.host, user: "alice", password: "wrong")
        }
        #expect(error?.kind == .unauthorized && error?.reason.contains("password is wrong") == true)
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/run"))
    }

    @Test("what else is in the file stays there, at login and at logout")
    func unknownKeys() throws {
        let scratch = try Scratch()
        let registry = try Self.registry("Basic")
        defer { registry.close() }
        let before = """
            {"auths": {"other.io": {"auth": "eDp5", "email": "x@y"}}, "psFormat": "a/b", "big": 9007199254740993,
             "nested": {"list": [1, 2.5, null, true, "s"]}}
            """
        try scratch.write("run/containers/auth.json", before)
        let login = RegistryLogin(settings: scratch.registrySettings)
        _ = try login.login(registry.host, user: "alice", password: "wonder:land")
        let auths = try #require(try file(scratch)["auths"] as? [String: Any])
        #expect(Set(auths.keys) == ["other.io", registry.host])
        try login.logout(registry.host)
        let expected = try JSONSerialization.jsonObject(with: Data(before.utf8)) as? NSDictionary
        #expect(try file(scratch) as NSDictionary == expected)
        let error = #expect(throws: RegistryError.self) { try login.logout(registry.host) }
        #expect(error?.kind == .notFound)
        let gone = try login.logoutAll()
        #expect(gone == ["other.io"])
        #expect((try file(scratch)["auths"] as? [String: Any])?.isEmpty == true)
    }

    @Test("a helper that the registry has keeps them, and nothing secret is in the file")
    func helper() throws {
        let scratch = try Scratch()
        let helper = try FakeHelper(scratch)
        let registry = try Self.registry("Basic")
        defer { registry.close() }
        try scratch.write(
            "run/containers/auth.json",
            #"{"credHelpers":{"\#(registry.host)":"test"},"auths":{"\#(registry.host)":{"auth":"b2xkOm9sZA=="}}}"#
        )
        let login = RegistryLogin(settings: scratch.registrySettings)
        let outcome = try login.login(registry.host, user: "alice", password: "wonder:land")
        #expect(outcome.place == "docker-credential-test" && helper.kept == [registry.host])
        #expect((try file(scratch)["auths"] as? [String: Any])?.isEmpty == true)
        #expect(
            try CredentialFiles(settings: scratch.registrySettings).credential(
                domain: registry.host, path: "x") == .basic(user: "alice", password: "wonder:land"))
        try login.logout(registry.host)
        #expect(helper.kept == [])
        _ = try login.login(registry.host, user: "alice", password: "wonder:land")
        let gone = try login.logoutAll()
        #expect(gone == [registry.host] && helper.kept == [])
    }

    @Test("credentials can be for a namespace alone")
    func namespace() throws {
        let scratch = try Scratch()
        let registry = try Self.registry("Basic")
        defer { registry.close() }
        let login = RegistryLogin(settings: scratch.registrySettings)
        _ = try login.login("\(registry.host)/team", user: "alice", password: "wonder:land")
        let files = CredentialFiles(settings: scratch.registrySettings)
        #expect(try files.credential(domain: registry.host, path: "team/x") != nil)
        #expect(try files.credential(domain: registry.host, path: "other/x") == nil)
        #expect(throws: RegistryError.self) { try login.logout(registry.host) }
        try login.logout("\(registry.host)/team")
    }

    @Test("where nobody is asked who he is, that is said")
    func unverified() throws {
        let scratch = try Scratch()
        let registry = try Self.registry("none")
        defer { registry.close() }
        let login = RegistryLogin(settings: scratch.registrySettings)
        #expect(try !login.login(registry.host, user: "a", password: "b").isVerified)
    }

    @Test(
        "names of registries are read as people write them",
        arguments: [
            ("ghcr.io", "ghcr.io"), ("https://ghcr.io/", "ghcr.io"), ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"), ("index.docker.io", "docker.io"),
            ("localhost:5000/a/b", "localhost:5000/a/b"), ("ghcr", nil), ("", nil), ("a.io/B", nil),
        ])
    func names(name: String, key: String?) {
        // No key is what is expected of some.
        #expect((try? RegistryKey(name))?.text == key)
    }

    @Test(
        "the real registry's judgement counts, and skopeo finds what was kept",
        .enabled(
            if: Tools.has("docker-registry", "skopeo", "perl"),
            "needs docker-registry, skopeo, perl"))
    func live() throws {
        let scratch = try Scratch()
        // Of crypt(5), what docker-registry takes: bcrypt.
        let salt = "$2y$05$abcdefghijklmnopqrstuu"
        let hash = try Tools.run("perl", "-e", "print crypt('wonder', '\(salt)')")
        let users = try scratch.file("users", Array("alice:\(hash)\n".utf8))
        let registry = try LiveRegistry(
            scratch, more: "auth: {htpasswd: {realm: r, path: \(users)}}")
        let login = RegistryLogin(settings: scratch.registrySettings)
        #expect(throws: RegistryError.self) {
            try login.login(registry.host, user: "alice", password: "wrong")
        }
        let outcome = try login.login(registry.host, user: "alice", password: "wonder")
        var tar = TarBuilder()
        tar.file("etc/one", "1")
        let layout = try scratch.layout([tar.archive])
        try Tools.run(
            "skopeo", "copy", "-q", "--authfile", outcome.place, "--dest-tls-verify=false",
            "oci:\(layout):latest", "docker://\(registry.host)/a/b:1")
        #expect(try scratch.store().ensure("\(registry.host)/a/b:1").layers.count == 1)
        try login.logout(registry.host)
        let error = #expect(throws: ImageError.self) {
            try scratch.store("other").ensure("\(registry.host)/a/b:1")
        }
        #expect(error?.kind == .denied && error?.hint?.contains("martlet login") == true)
    }
}
