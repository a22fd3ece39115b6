import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

@Suite(
    "Tokens of a real registry",
    .enabled(
        if: Tools.has("docker-registry", "skopeo", "openssl"),
        "needs docker-registry, skopeo, openssl"))
struct LiveTokenTests {
    @Test("anybody, alice and bob may do what the registry makes of their tokens")
    func grants() throws {
        let scratch = try Scratch()
        let tokens = try TokenServer(scratch, passwords: ["alice": "wonder", "bob": "builder"]) {
            user, repository in
            switch (user, repository.hasPrefix("public/")) {
            case ("alice", _): ["pull", "push"]
            case ("bob", _), (nil, true): ["pull"]
            default: []
            }
        }
        let registry = try LiveRegistry(scratch, more: tokens.configuration)
        var tar = TarBuilder()
        tar.file("etc/one", "1")
        let layout = try scratch.layout([tar.archive])
        for repository in ["public/a", "private/a"] {
            try Tools.run(
                "skopeo", "copy", "-q", "--dest-creds", "alice:wonder", "--dest-tls-verify=false",
                "oci:\(layout):latest", "docker://\(registry.host)/\(repository):1")
        }
        func pull(_ repository: String) throws -> StoredImage {
            try scratch.store(UUID().uuidString).ensure("\(registry.host)/\(repository):1")
        }
        func put(_ repository: String) throws {
            let client = RegistryClient(settings: scratch.registrySettings)
            let manifest = try client.manifest(
                try ImageReference("\(registry.host)/\(repository):1"))
            try client.putManifest(
                try ImageReference("\(registry.host)/\(repository):2"), manifest.bytes,
                mediaType: manifest.contentType)
        }
        #expect(try pull("public/a").layers.count == 1)
        #expect((#expect(throws: ImageError.self) { try pull("private/a") })?.kind == .denied)
        let login = RegistryLogin(settings: scratch.registrySettings)
        #expect(throws: RegistryError.self) {
            try login.login(registry.host, user: "bob", password: "wrong")
        }
        #expect(try login.login(registry.host, user: "bob", password: "builder").isVerified)
        #expect(try pull("private/a").layers.count == 1)
        let denied = #expect(throws: RegistryError.self) { try put("private/a") }
        #expect(denied?.kind == .unauthorized, "\(String(describing: denied))")
        _ = try login.login(registry.host, user: "alice", password: "wonder")
        try put("private/a")
    }
}
