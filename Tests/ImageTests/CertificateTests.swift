import Foundation
import OCISpec
import Testing

@testable import Registry

@Suite(
    "Certificates",
    .enabled(if: Tools.has("nginx", "openssl", "curl"), "needs nginx, openssl, curl"))
struct CertificateTests {
    private struct Rig {
        let scratch: Scratch
        let image: SmallImage
        let registry: FakeRegistry
        let front: SecureFront

        init(address: String = "127.0.0.1", wantsClient: Bool = false) throws {
            let scratch = try Scratch()
            let image = try SmallImage(scratch)
            registry = try FakeRegistry { request, _ in image.answer(request) }
            front = try SecureFront(
                scratch, of: registry.host, address: address, wantsClient: wantsClient)
            (self.scratch, self.image) = (scratch, image)
        }

        func manifest(_ settings: RegistrySettings? = nil, insecure: Bool = false) throws -> [UInt8]
        {
            let client = RegistryClient(
                settings: settings ?? scratch.registrySettings, insecure: insecure)
            return try client.manifest(try ImageReference("\(front.host)/team/image:1")).bytes
        }

        func refusal(_ settings: RegistrySettings? = nil) -> RegistryError? {
            #expect(throws: RegistryError.self) { try manifest(settings) }
        }
    }

    @Test(
        "an authority in certs.d is believed, wherever it is",
        arguments: [".config/containers", "etc/containers", "etc/docker"])
    func authority(place: String) throws {
        let rig = try Rig()
        let error = rig.refusal()
        #expect(error?.kind == .tls && error?.hint?.contains("certs.d") == true)
        try rig.front.install(["ca.crt"], below: rig.scratch.path + "/" + place)
        #expect(try rig.manifest() == rig.image.manifest)
    }

    @Test("an authority in SSL_CERT_FILE is believed, with one in certs.d as well")
    func bundle() throws {
        let (rig, other) = (try Rig(), try Rig())
        var settings = rig.scratch.registrySettings
        settings.environment["SSL_CERT_FILE"] = rig.front.directory + "/ca.crt"
        #expect(try rig.manifest(settings) == rig.image.manifest)
        let folder = "\(rig.scratch.path)/etc/docker/certs.d/\(rig.front.host)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: other.front.directory + "/ca.crt", toPath: folder + "/ca.crt")
        #expect(try rig.manifest(settings) == rig.image.manifest)
        settings.environment["SSL_CERT_FILE"] = nil
        #expect(rig.refusal(settings)?.kind == .tls)
    }

    @Test("a certificate for another host is refused, whoever vouches for it")
    func otherHost() throws {
        let rig = try Rig(address: "127.0.0.2")
        try rig.front.install(["ca.crt"], below: rig.scratch.path + "/etc/containers")
        #expect(rig.refusal()?.kind == .tls)
    }

    @Test("who one is can be shown by a certificate of certs.d")
    func clientCertificate() throws {
        let rig = try Rig(wantsClient: true)
        let place = rig.scratch.path + "/.config/containers"
        try rig.front.install(["ca.crt"], below: place)
        #expect(rig.refusal()?.kind == .status(400))
        try rig.front.install(["client.cert"], below: place)
        let error = rig.refusal()
        #expect(error?.reason.contains("client.key") == true, "\(String(describing: error))")
        try rig.front.install(["client.key"], below: place)
        #expect(try rig.manifest() == rig.image.manifest)
    }

    @Test("--insecure and registries.conf do without verification")
    func insecure() throws {
        let rig = try Rig()
        #expect(try rig.manifest(insecure: true) == rig.image.manifest)
        try rig.scratch.write(
            ".config/containers/registries.conf",
            "[[registry]]\nlocation = \"\(rig.front.host)\"\ninsecure = true\n")
        #expect(try rig.manifest() == rig.image.manifest)
    }

    @Test("a token server without TLS is not asked for a registry with it")
    func plainRealm() throws {
        let scratch = try Scratch()
        let registry = try FakeRegistry { request, _ in
            let realm = "http://\(request.headers["host"] ?? "")/token"
            return FakeRegistry.Answer(
                status: 401, headers: [("WWW-Authenticate", "Bearer realm=\"\(realm)\"")])
        }
        defer { registry.close() }
        let front = try SecureFront(scratch, of: registry.host)
        try front.install(["ca.crt"], below: scratch.path + "/etc/containers")
        let client = RegistryClient(settings: scratch.registrySettings)
        let error = #expect(throws: RegistryError.self) {
            try client.manifest(try ImageReference("\(front.host)/team/image:1"))
        }
        #expect(error?.reason.contains("without TLS") == true, "\(String(describing: error))")
        #expect(registry.requests("GET", "/token").isEmpty)
    }
}
