import Foundation
import ImageStore
import JobModel
import LinuxSystem
import Testing
import Threads

@testable import ImageIntake

@Suite(
    "Images that nodes pull over TLS",
    .enabled(
        if: SecureFront.isPossible && WebSettings().curl != nil, "needs nginx, openssl and curl"))
struct SecurePullTests {
    private struct Setting {
        let site: PulledSite
        let front: SecureFront
        let image: StoredImage

        /// The head knows the registry's authority by certs.d alone.
        init(script: @escaping PulledSite.Script = { .init($1, for: $0) }) throws {
            site = try PulledSite(layers: 1, script: script) {
                "Bearer realm=\"https://\($0)/token\",scope=\"repository:\(PulledSite.name):pull\""
            }
            front = try SecureFront(site.site.path + "/front", of: site.registry.host)
            var image = site.image
            image.reference = "\(front.host)/\(PulledSite.name)@\(site.image.digest ?? "")"
            self.image = image
            try put(front.certificate, "ca.crt")
        }

        func put(_ file: String, _ name: String) throws {
            let folder = "\(site.site.path)/home/.config/containers/certs.d/\(front.host)"
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: file, toPath: folder + "/" + name)
        }

        /// A node whose environment has this line of a shell.
        func node(_ line: String) throws -> Node {
            let curl = site.site.path + "/curl"
            let script = "#!/bin/sh\n\(line)\nexec \(WebSettings().curl ?? "curl") \"$@\"\n"
            try Files.writeAtomically(curl, script.utf8, mode: 0o755)
            return site.site.node("n", web: WebSettings(curl: curl))
        }
    }

    @Test("the authorities of the node's environment count, and its token goes over TLS")
    func trusted() throws {
        let setting = try Setting()
        let node = try setting.node("export CURL_CA_BUNDLE=\(setting.front.certificate)")
        #expect(try setting.site.deliver(setting.image, to: node) < 20_000)
        let fetches = setting.site.registry.fetches
        #expect(fetches.map { $0.headers["authorization"] } == ["Bearer " + PulledSite.token])
    }

    @Test("a registry that the node does not trust is not believed, whatever the head does")
    func untrusted() throws {
        let setting = try Setting()
        let node = try setting.node("unset CURL_CA_BUNDLE SSL_CERT_FILE")
        #expect(try setting.site.deliver(setting.image, to: node) > 3 << 20)
        #expect(setting.site.registry.fetches.isEmpty)
        #expect(setting.site.notes.quietly { $0 }.first?.contains("certificate") == true)
    }

    @Test("a redirect from TLS to plain HTTP is not followed")
    func downgrade() throws {
        let plain = try WebServer { _ in .init(200) }
        let setting = try Setting { [host = plain.host] _, _ in
            .init(302, ["Location": "http://\(host)/blob"])
        }
        let node = try setting.node("export CURL_CA_BUNDLE=\(setting.front.certificate)")
        #expect(try setting.site.deliver(setting.image, to: node) > 3 << 20)
        #expect(plain.requests.isEmpty && setting.site.registry.fetches.count == 1)
        #expect(setting.site.notes.quietly { $0 }.first?.contains("plain HTTP") == true)
    }

    @Test("where the registry wants a client's certificate the head alone has it")
    func clientCertificate() throws {
        let setting = try Setting()
        try setting.put(setting.front.certificate, "me.cert")
        try setting.put(setting.front.key, "me.key")
        let node = try setting.node("export CURL_CA_BUNDLE=\(setting.front.certificate)")
        #expect(try setting.site.deliver(setting.image, to: node) > 3 << 20)
        #expect(setting.site.registry.fetches.isEmpty)
        #expect(setting.site.notes.quietly { $0 }.first?.contains("key stays here") == true)
    }
}
