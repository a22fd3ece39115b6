import Foundation
import OCISpec
import Testing

@testable import Registry

@Suite("Proxies")
struct ProxyTests {
    /// libcurl looks into the environment of its process: each way has one of its own.
    @Test("the environment's proxies are used, and none for this machine or what is spared")
    func proxies() async throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch)
        let registry = try FakeRegistry { request, _ in image.answer(request) }
        let proxy = try FakeRegistry { request, _ in
            guard request.method == "GET" else { return FakeRegistry.Answer(status: 503) }
            var inner = request
            // The target is a whole URL.
            inner.target =
                "/" + request.target.split(separator: "/").dropFirst(2).joined(separator: "/")
            return image.answer(inner)
        }
        defer {
            registry.close()
            proxy.close()
        }
        let (own, other) = (registry.host, proxy.host)
        await #expect(processExitsWith: .success) {
            [own = own as String, other = other as String] in
            setenv("http_proxy", "http://\(other)", 1)
            setenv("HTTPS_PROXY", "http://\(other)", 1)
            setenv("NO_PROXY", "spared.invalid", 1)
            var settings = RegistrySettings(environment: ["NO_PROXY": "spared.invalid"])
            settings.systemConfiguration = "/nonexistent"
            settings.attempts = 1
            settings.connectTimeout = 3
            let client = RegistryClient(settings: settings, insecure: true)
            _ = try client.manifest(try ImageReference("registry.invalid/team/image:1"))
            _ = try client.manifest(try ImageReference("\(own)/team/image:1"))
            let spared = try ImageReference("spared.invalid/team/image:1")
            do throws(RegistryError) {
                _ = try client.manifest(spared)
            } catch { exit(error.kind == .unreachable ? EXIT_SUCCESS : EXIT_FAILURE) }
        }
        #expect(
            proxy.requests.first.map { "\($0.method) \($0.target)" }
                == "CONNECT registry.invalid:443")
        #expect(
            proxy.requests("GET", "http://registry.invalid\(image.manifestPath)").count == 1,
            "TLS was tried first")
        #expect(registry.requests("GET", image.manifestPath).count == 1)
        #expect(proxy.requests.allSatisfy { $0.target.contains("registry.invalid") })
    }
}
