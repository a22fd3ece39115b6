import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

@Suite("Mirrors and registries elsewhere")
struct MirrorTests {
    /// A registry of `team/image:1`, and its client with one mirror before it.
    private struct Rig {
        let scratch: Scratch
        let image: SmallImage
        let registry: FakeRegistry
        let mirror: FakeRegistry

        init(
            size: Int = 1000,
            mirror answer:
                @escaping @Sendable (SmallImage, FakeRegistry.Request) -> FakeRegistry.Answer
        ) throws {
            let scratch = try Scratch()
            let image = try SmallImage(scratch, size: size)
            registry = try FakeRegistry { request, _ in image.answer(request) }
            mirror = try FakeRegistry { request, _ in answer(image, request) }
            (self.scratch, self.image) = (scratch, image)
            try configure()
        }

        func configure(_ more: String = "", mirrorHost: String? = nil) throws {
            try scratch.write(
                ".config/containers/registries.conf",
                """
                [[registry]]
                location = "\(registry.host)"
                [[registry.mirror]]
                location = "\(mirrorHost ?? mirror.host)"
                \(more)
                """)
        }

        var name: String { "\(registry.host)/team/image:1" }
        func pull() throws -> StoredImage { try scratch.store().ensure(name) }
        func close() {
            registry.close()
            mirror.close()
        }
    }

    @Test("a mirror that has the image is asked alone, and the image keeps its name")
    func answers() throws {
        let rig = try Rig { image, request in image.answer(request) }
        defer { rig.close() }
        #expect(try rig.pull().reference == ImageReference(rig.name).description)
        #expect(rig.registry.requests.isEmpty)
        #expect(rig.mirror.requests("GET", rig.image.blobPath).count == 1)
    }

    @Test(
        "where the mirror fails, the registry is asked, and the mirror no more",
        arguments: ["nobody there", "404", "401", "403", "500"])
    func fails(trouble: String) throws {
        let rig = try Rig { _, _ in FakeRegistry.Answer(status: Int(trouble) ?? 404) }
        defer { rig.close() }
        if trouble == "nobody there" { rig.mirror.close() }
        _ = try rig.pull()
        #expect(rig.registry.requests("GET", rig.image.blobPath).count == 1)
        #expect(rig.mirror.requests("GET", rig.image.blobPath).isEmpty)
    }

    @Test("a blob that a mirror begins and cannot end is ended by the registry, from there on")
    func breaksOff() throws {
        let rig = try Rig(size: 300_000) { image, request in
            var answer = image.answer(request)
            if request.path == image.blobPath {
                answer.breaksAfter = request.rangeStart == nil ? 100_000 : 0
            }
            return answer
        }
        defer { rig.close() }
        _ = try rig.pull()
        #expect(rig.registry.requests("GET", rig.image.blobPath).map(\.rangeStart) == [100_000])
    }

    @Test("where both fail, the error names both")
    func bothFail() throws {
        let rig = try Rig { _, _ in FakeRegistry.Answer(status: 403) }
        defer { rig.close() }
        let error = #expect(throws: ImageError.self) {
            try rig.scratch.store().ensure("\(rig.registry.host)/team/other:1")
        }
        #expect(error?.kind == .notFound)
        #expect(error?.reason.contains(rig.mirror.host) == true, "\(String(describing: error))")
    }

    @Test("the registry's credentials never go to a mirror")
    func credentials() throws {
        let rig = try Rig { _, request in
            request.path == "/v2/"
                ? FakeRegistry.Answer()
                : FakeRegistry.Answer(
                    status: 401, headers: [("WWW-Authenticate", #"Basic realm="r""#)])
        }
        defer { rig.close() }
        let auth = Data("alice:wonder".utf8).base64EncodedString()
        try rig.scratch.write(
            "run/containers/auth.json", #"{"auths":{"\#(rig.registry.host)":{"auth":"\#(auth)"}}}"#)
        _ = try rig.pull()
        #expect(!rig.mirror.requests.isEmpty)
        #expect(rig.mirror.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test("a tag is not asked of a mirror for digests alone; its own credentials count there")
    func digestOnly() throws {
        let rig = try Rig { image, request in
            let expected = "Basic " + Data("bob:builder".utf8).base64EncodedString()
            guard request.path == "/v2/" || request.headers["authorization"] == expected else {
                return FakeRegistry.Answer(
                    status: 401, headers: [("WWW-Authenticate", #"Basic realm="r""#)])
            }
            guard request.path.hasSuffix("\(digestOf(image.manifest))") else {
                return image.answer(request)
            }
            return FakeRegistry.Answer(
                headers: [("Content-Type", MediaType.manifest)], body: image.manifest)
        }
        defer { rig.close() }
        try rig.configure("pull-from-mirror = \"digest-only\"")
        let auth = Data("bob:builder".utf8).base64EncodedString()
        try rig.scratch.write(
            "run/containers/auth.json", #"{"auths":{"\#(rig.mirror.host)":{"auth":"\#(auth)"}}}"#)
        let client = RegistryClient(settings: rig.scratch.registrySettings)
        _ = try client.manifest(try ImageReference(rig.name))
        #expect(rig.mirror.requests.isEmpty)
        let asked = rig.registry.requests.count
        let pinned = try ImageReference(
            "\(rig.registry.host)/team/image@\(digestOf(rig.image.manifest))")
        #expect(try client.manifest(pinned).bytes == rig.image.manifest)
        #expect(rig.registry.requests.count == asked)
    }

    @Test("what is written goes to the registry that the name says")
    func written() throws {
        let rig = try Rig { _, _ in FakeRegistry.Answer(status: 500) }
        defer { rig.close() }
        let client = RegistryClient(settings: rig.scratch.registrySettings)
        let reference = try ImageReference(rig.name)
        // It takes no manifests; that it was asked is what counts.
        #expect(throws: Never.self) {
            try client.putManifest(reference, rig.image.manifest, mediaType: MediaType.manifest)
        }
        #expect(rig.mirror.requests.isEmpty)
        #expect(rig.registry.requests("PUT", rig.image.manifestPath).count == 1)
    }

    @Test("a broken file is an error that names it, and nothing is asked")
    func malformed() throws {
        let rig = try Rig { image, request in image.answer(request) }
        defer { rig.close() }
        try rig.configure("pull-from-mirror = \"digest-only")
        let error = #expect(throws: ImageError.self) { try rig.pull() }
        #expect(
            error?.description.contains("registries.conf:5") == true, "\(String(describing: error))"
        )
        #expect(rig.registry.requests.isEmpty && rig.mirror.requests.isEmpty)
    }

    @Test("what is blocked is not asked for")
    func blocked() throws {
        let rig = try Rig { image, request in image.answer(request) }
        defer { rig.close() }
        try rig.scratch.write(
            ".config/containers/registries.conf",
            "[[registry]]\nlocation = \"\(rig.registry.host)\"\nblocked = true\n")
        let error = #expect(throws: ImageError.self) { try rig.pull() }
        #expect(error?.kind == .denied && error?.reason.contains("blocked") == true)
        #expect(rig.registry.requests.isEmpty)
    }

    @Test(
        "an insecure registry is asked by TLS, and then without; another one never without",
        arguments: [true, false])
    func insecure(isInsecure: Bool) throws {
        let rig = try Rig { image, request in image.answer(request) }
        defer { rig.close() }
        // libcurl takes all names below localhost for this machine (RFC 6761 §6.3); here they are like any other host's.
        let host = "registry.localhost:" + (rig.registry.host.split(separator: ":").last ?? "")
        try rig.scratch.write(
            ".config/containers/registries.conf",
            "[[registry]]\nlocation = \"\(host)\"\ninsecure = \(isInsecure)\n")
        let client = RegistryClient(settings: rig.scratch.registrySettings)
        let reference = try ImageReference("\(host)/team/image:1")
        if isInsecure {
            #expect(try client.manifest(reference).bytes == rig.image.manifest)
        } else {
            let error = #expect(throws: RegistryError.self) { try client.manifest(reference) }
            #expect(error?.kind == .tls, "\(String(describing: error))")
            #expect(error?.hint?.contains("plain HTTP") == true)
            #expect(rig.registry.requests.isEmpty)
        }
    }

    @Test(
        "Docker Hub can be elsewhere: what docker-registry has is pulled by its short name",
        .enabled(if: Tools.has("docker-registry", "skopeo"), "needs docker-registry and skopeo"))
    func elsewhere() throws {
        let scratch = try Scratch()
        let registry = try LiveRegistry(scratch)
        var tar = TarBuilder()
        tar.file("etc/one", "1")
        let layout = try scratch.layout([tar.archive])
        try Tools.run(
            "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci:\(layout):latest",
            "docker://\(registry.host)/hub/library/tiny:1")
        try scratch.write(
            ".config/containers/registries.conf",
            "[[registry]]\nprefix = \"docker.io\"\nlocation = \"\(registry.host)/hub\"\n")
        let image = try scratch.store().ensure("tiny:1")
        #expect(image.reference == "docker.io/library/tiny:1" && image.layers.count == 1)
    }
}
