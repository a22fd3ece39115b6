import Foundation
import OCISpec
import Synchronization
import Testing
import Threads

@testable import ImageStore
@testable import Layers
@testable import Registry

/// One image of one layer, as a registry would hold it.
struct SmallImage: Sendable {
    let layer: [UInt8]
    let config: [UInt8]
    let manifest: [UInt8]
    var layerDigest: Digest { digestOf(layer) }
    var manifestPath: String { "/v2/team/image/manifests/1" }
    var blobPath: String { "/v2/team/image/blobs/\(layerDigest)" }

    /// `size` bytes that do not compress, or so.
    init(_ scratch: Scratch, size: Int = 1000) throws {
        var tar = TarBuilder()
        var random = SeededGenerator(seed: 3)
        tar.directory("etc")
        tar.add(
            TarBuilder.Header("etc/noise"),
            (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        layer = try scratch.gzip(tar.archive)
        config = try DocumentEncoder.bytes(
            ImageConfig(platform: .current, diffIDs: [digestOf(tar.archive)]))
        manifest = try DocumentEncoder.bytes(
            Manifest(
                mediaType: MediaType.manifest,
                config: Descriptor(
                    mediaType: MediaType.config, digest: digestOf(config), size: Int64(config.count)
                ),
                layers: [
                    Descriptor(
                        mediaType: MediaType.layerGzip, digest: digestOf(layer),
                        size: Int64(layer.count))
                ]))
    }

    func answer(_ request: FakeRegistry.Request) -> FakeRegistry.Answer {
        switch request.path {
        case "/v2/": return FakeRegistry.Answer()
        case manifestPath:
            return FakeRegistry.Answer(
                headers: [("Content-Type", MediaType.manifest)], body: manifest)
        case blobPath: return .blob(layer, for: request)
        case "/v2/team/image/blobs/\(digestOf(config))": return FakeRegistry.Answer(body: config)
        default: return FakeRegistry.Answer(status: 404)
        }
    }
}

@Suite("Registries and what they may do")
struct RegistryTests {
    private func noise(_ image: StoredImage) -> Bool {
        image.layers.contains { FileManager.default.fileExists(atPath: $0 + "/etc/noise") }
    }

    /// Nothing in the store looks complete.
    static func expectNothing(_ scratch: Scratch, sourceLocation: SourceLocation = #_sourceLocation)
    {
        for folder in ["layers", "user-layers", "references", "staging"] {
            let names =
                (try? FileManager.default.contentsOfDirectory(
                    atPath: scratch.path + "/data/" + folder)) ?? []
            #expect(names.isEmpty, "\(folder) holds \(names)", sourceLocation: sourceLocation)
        }
    }

    private func pull(
        _ registry: FakeRegistry, _ scratch: Scratch, chunkSize: Int64 = 16 << 20,
        store: ImageStore? = nil
    ) throws -> StoredImage {
        var settings = StoreSettings()
        settings.registry = RegistrySettings(environment: ["HOME": scratch.path])
        settings.registry.firstDelay = 0.01
        settings.registry.chunkSize = chunkSize
        let store = store ?? ImageStore(dataDirectory: scratch.path + "/data", settings: settings)
        return try store.ensure("\(registry.host)/team/image:1")
    }

    @Test("a token is asked for once, for the scope of the challenge, and used for everything")
    func token() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 500_000)
        let registry = try FakeRegistry { request, _ in
            let host = request.headers["host"] ?? ""
            if request.path == "/token" {
                return FakeRegistry.Answer(body: Array(#"{"token":"good","expires_in":300}"#.utf8))
            }
            guard request.headers["authorization"] == "Bearer good" || request.path == "/v2/" else {
                let challenge =
                    #"Bearer realm="http://\#(host)/token",service="svc",scope="repository:team/image:pull""#
                return FakeRegistry.Answer(status: 401, headers: [("WWW-Authenticate", challenge)])
            }
            return image.answer(request)
        }
        defer { registry.close() }
        #expect(noise(try pull(registry, scratch, chunkSize: 65_536)))
        let asked = registry.requests("GET", "/token")
        #expect(asked.count == 1)
        #expect(asked.first?.target == "/token?service=svc&scope=repository%3Ateam%2Fimage%3Apull")
        #expect(asked.first?.headers["authorization"] == nil, "anonymous")
    }

    @Test(
        "basic credentials of auth.json are sent when asked for, and not along a redirect to another host"
    )
    func redirect() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 300_000)
        let storage = try FakeRegistry { request, _ in .blob(image.layer, for: request) }
        let registry = try FakeRegistry { request, _ in
            guard
                request.headers["authorization"] == "Basic "
                    + Data("alice:wonder".utf8).base64EncodedString() || request.path == "/v2/"
            else {
                return FakeRegistry.Answer(
                    status: 401, headers: [("WWW-Authenticate", #"Basic realm="r""#)])
            }
            guard request.path == image.blobPath else { return image.answer(request) }
            return FakeRegistry.Answer(
                status: 307, headers: [("Location", "http://\(storage.host)/signed?sig=secret")])
        }
        defer {
            registry.close()
            storage.close()
        }
        let folder = scratch.path + "/.config/containers"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let auth = Data("alice:wonder".utf8).base64EncodedString()
        try #"{"auths":{"\#(registry.host)":{"auth":"\#(auth)"}}}"#.write(
            toFile: folder + "/auth.json", atomically: true, encoding: .utf8)
        #expect(noise(try pull(registry, scratch, chunkSize: 65_536)))
        #expect(!storage.requests.isEmpty)
        #expect(storage.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test(
        "trouble that passes is sat out, and a broken transfer goes on where it broke",
        arguments: ["429", "500", "breaks", "no ranges", "breaks without ranges", "expired token"])
    func passing(trouble: String) throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 400_000)
        let registry = try FakeRegistry { request, before in
            if trouble == "expired token", let refused = Self.expiring(request, before) {
                return refused
            }
            var answer = image.answer(request)
            guard request.path == image.blobPath else { return answer }
            switch trouble {
            case "429" where before < 3:
                return FakeRegistry.Answer(status: 429, headers: [("Retry-After", "0")])
            case "500" where before < 3:
                return FakeRegistry.Answer(status: 503, body: Array("<html>".utf8))
            case "breaks" where before < 8: answer.breaksAfter = 20_000
            case "no ranges": return FakeRegistry.Answer(body: image.layer)
            case "breaks without ranges":
                answer = FakeRegistry.Answer(body: image.layer)
                if before < 2 { answer.breaksAfter = 150_000 * (before + 1) }
            default: break
            }
            return answer
        }
        defer { registry.close() }
        #expect(noise(try pull(registry, scratch, chunkSize: 100_000)))
        if trouble == "expired token" { #expect(registry.requests("GET", "/token").count == 2) }
        if trouble == "breaks" {
            #expect(
                registry.requests("GET", image.blobPath).contains {
                    ($0.rangeStart ?? 0) % 100_000 != 0
                }, "it resumed within a chunk")
        }
    }

    /// The first token is good for two requests of the blob.
    private static func expiring(_ request: FakeRegistry.Request, _ before: Int) -> FakeRegistry
        .Answer?
    {
        if request.path == "/token" {
            return FakeRegistry.Answer(body: Array(#"{"access_token":"number-\#(before)"}"#.utf8))
        }
        let isGood =
            request.headers["authorization"]
            == "Bearer number-\(request.path.hasSuffix("/manifests/1") || before < 2 ? 0 : 1)"
        if request.path == "/v2/" || isGood
            || (request.headers["authorization"] == "Bearer number-1")
        {
            return nil
        }
        let realm = "http://\(request.headers["host"] ?? "")/token"
        return FakeRegistry.Answer(
            status: 401, headers: [("WWW-Authenticate", "Bearer realm=\"\(realm)\"")])
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let title: String
        let kind: ImageError.Kind
        let says: String
        let answer: @Sendable (SmallImage, FakeRegistry.Request) -> FakeRegistry.Answer?
        var testDescription: String { title }
    }

    static let refusals: [Refusal] = [
        Refusal(title: "a blob with other content", kind: .corrupt, says: "digest") {
            image, request in
            guard request.path == image.blobPath else { return nil }
            // Its gzip members are whole, so that the digest alone can tell.
            var bytes = image.layer
            bytes[9] = 0xfe
            return .blob(bytes, for: request)
        },
        Refusal(title: "a blob that is longer", kind: .registry, says: "more than") {
            image, request in
            request.path == image.blobPath
                ? FakeRegistry.Answer(body: image.layer + [1, 2, 3]) : nil
        },
        Refusal(title: "another range than asked", kind: .registry, says: "range") {
            image, request in
            guard request.path == image.blobPath else { return nil }
            return FakeRegistry.Answer(
                status: 206, headers: [("Content-Range", "bytes 7-20/\(image.layer.count)")],
                body: [1])
        },
        Refusal(title: "no ranges once they were taken", kind: .registry, says: "range") {
            image, request in
            guard request.path == image.blobPath else { return nil }
            // The first chunk breaks off, and is then answered as if ranges were not known.
            if request.rangeStart == 100 { return FakeRegistry.Answer(body: image.layer) }
            var answer = FakeRegistry.Answer.blob(image.layer, for: request)
            if request.rangeStart == 0 { answer.breaksAfter = 100 }
            return answer
        },
        Refusal(title: "a manifest of another digest", kind: .corrupt, says: "digest") {
            image, request in
            guard request.path == image.manifestPath else { return nil }
            let other = "sha256:" + String(repeating: "0", count: 64)
            return FakeRegistry.Answer(
                headers: [("Content-Type", MediaType.manifest), ("Docker-Content-Digest", other)],
                body: image.manifest)
        },
        Refusal(title: "a manifest of five megabytes", kind: .registry, says: "larger") {
            image, request in
            guard request.path == image.manifestPath else { return nil }
            return FakeRegistry.Answer(
                headers: [("Content-Type", MediaType.manifest)],
                body: [UInt8](repeating: 32, count: 5 << 20))
        },
        Refusal(title: "a page where the manifest should be", kind: .unsupported, says: "JSON") {
            image, request in
            request.path == image.manifestPath
                ? FakeRegistry.Answer(
                    headers: [("Content-Type", "text/html")], body: Array("<html>".utf8)) : nil
        },
        Refusal(title: "a configuration of another size", kind: .corrupt, says: "promised") {
            image, request in
            request.path.hasSuffix("\(digestOf(image.config))")
                ? FakeRegistry.Answer(body: Array(image.config.dropLast())) : nil
        },
        Refusal(title: "redirects without end", kind: .registry, says: "redirects") {
            image, request in
            request.path == image.blobPath
                ? FakeRegistry.Answer(status: 302, headers: [("Location", image.blobPath)]) : nil
        },
        Refusal(title: "a redirect to a file", kind: .registry, says: "no URL") { image, request in
            request.path == image.blobPath
                ? FakeRegistry.Answer(status: 302, headers: [("Location", "file:///etc/passwd")])
                : nil
        },
        Refusal(title: "a rate limit of hours", kind: .rateLimited, says: "rate limit") {
            image, request in
            request.path == image.manifestPath
                ? FakeRegistry.Answer(status: 429, headers: [("Retry-After", "20000")]) : nil
        },
        Refusal(title: "no access", kind: .denied, says: "does not exist, or may not be read") {
            image, request in
            request.path == image.manifestPath ? FakeRegistry.Answer(status: 401) : nil
        },
        Refusal(title: "no such image", kind: .notFound, says: "no repository") { image, request in
            request.path == image.manifestPath ? FakeRegistry.Answer(status: 404) : nil
        },
        Refusal(title: "a server that is always broken", kind: .registry, says: "503") {
            image, request in
            request.path == image.manifestPath ? FakeRegistry.Answer(status: 503) : nil
        },
    ]

    @Test("is refused with a clear error and leaves nothing behind", arguments: refusals)
    func refusal(refusal: Refusal) throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 200_000)
        let registry = try FakeRegistry { request, _ in
            refusal.answer(image, request) ?? image.answer(request)
        }
        defer { registry.close() }
        let error = #expect(throws: ImageError.self) {
            try pull(registry, scratch, chunkSize: 65_536)
        }
        #expect(
            error?.kind == refusal.kind && error?.reason.contains(refusal.says) == true,
            "\(String(describing: error))")
        #expect(error?.description.contains("sig=") == false)
        Self.expectNothing(scratch)
    }

    @Test("once ranges are spoken every connection begins, and waits for no first chunk")
    func allConnectionsBegin() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 400_000)
        let others = DispatchSemaphore(value: 0)
        let came = Mutex(false)
        let registry = try FakeRegistry { request, before in
            var answer = image.answer(request)
            guard request.path == image.blobPath else { return answer }
            if before > 0 { others.signal() }
            if before == 0 {
                answer.beforeRest = {
                    let result = others.wait(timeout: .now() + 10)
                    came.withLock { $0 = result == .success }
                }
            }
            return answer
        }
        defer { registry.close() }
        #expect(noise(try pull(registry, scratch, chunkSize: 100_000)))
        #expect(came.withLock { $0 }, "the other chunks waited for the first")
    }

    @Test("what was read of a blob is not written again when a server begins anew")
    func begunAnew() throws {
        let scratch = try Scratch()
        let file = open(try scratch.file("blob", []), O_RDWR)
        defer { close(file) }
        let download = BlobDownload(
            reference: try ImageReference("a"), digest: digestOf([UInt8]()), size: 8,
            descriptor: file, chunkSize: 1 << 20)
        var whole = HTTPResponse()
        whole.status = 200
        func take(_ text: String) -> Bool {
            Array(text.utf8).withUnsafeBytes { download.take($0, 0) }
        }
        #expect(download.accept(whole, 0, from: 0) && take("good"))
        #expect(download.accept(whole, 0, from: 4) && take("ev") && take("illast"))
        var bytes = [UInt8](repeating: 0, count: 8)
        #expect(pread(file, &bytes, 8, 0) == 8)
        #expect(String(decoding: bytes, as: UTF8.self) == "goodlast")
    }

    @Test("a layer whose content is not the diff id's is refused, in whatever compression")
    func wrongDiffID() throws {
        let scratch = try Scratch()
        var first = TarBuilder()
        first.file("a", "a")
        var second = TarBuilder()
        second.file("b", "b")
        let other = try scratch.gzip(second.archive)
        let layout = try scratch.layout([first.archive]) { manifest in
            manifest.layers[0].digest = digestOf(other)
            manifest.layers[0].size = Int64(other.count)
        }
        try Data(other).write(
            to: URL(fileURLWithPath: layout + "/blobs/sha256/" + digestOf(other).hex))
        let error = #expect(throws: ImageError.self) { try scratch.store().ensure(layout) }
        #expect(
            error?.kind == .corrupt && error?.reason.contains("promises") == true,
            "\(String(describing: error))")
        Self.expectNothing(scratch)
    }

    @Test("cancelling ends a pull at once and leaves nothing")
    func cancelled() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 300_000)
        let isAsked = Atomic(false)
        let registry = try FakeRegistry { request, _ in
            if request.path == image.blobPath {
                isAsked.store(true, ordering: .sequentiallyConsistent)
                // Promised and never sent.
                return FakeRegistry.Answer(
                    headers: [("Content-Length", "\(image.layer.count)")],
                    body: Array(image.layer.prefix(1000)))
            }
            return image.answer(request)
        }
        defer { registry.close() }
        let options = PullOptions(isCancelled: { isAsked.load(ordering: .sequentiallyConsistent) })
        let error = #expect(throws: ImageError.self) {
            try scratch.store().ensure("\(registry.host)/team/image:1", options: options)
        }
        #expect(error?.kind == .cancelled)
        Self.expectNothing(scratch)
    }

    @Test(
        "a killed pull leaves nothing that looks complete, and the next one sweeps up and succeeds")
    func killed() async throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 3_000_000)
        let registry = try FakeRegistry { request, before in
            if request.path == image.blobPath, before == 0 {
                return FakeRegistry.Answer(
                    headers: [("Content-Length", "\(image.layer.count)")],
                    body: Array(image.layer.prefix(2_000_000)))
            }
            return image.answer(request)
        }
        defer { registry.close() }
        let data = scratch.path + "/data"
        let name = "\(registry.host)/team/image:1"
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [data = data as String, name = name as String] in
            _ = try ImageStore(dataDirectory: data).ensure(name) { progress in
                if progress.bytesDone > 1_000_000 { kill(getpid(), SIGKILL) }
            }
        }
        let layers = data + (OverlayForm.current == .trusted ? "/layers" : "/user-layers")
        #expect(try FileManager.default.contentsOfDirectory(atPath: layers).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: data + "/references").isEmpty)
        #expect(
            !FileManager.default.fileExists(atPath: data + "/blobs/sha256/" + image.layerDigest.hex)
        )
        #expect(try !FileManager.default.contentsOfDirectory(atPath: data + "/staging").isEmpty)
        #expect(noise(try scratch.store().ensure(name)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: data + "/staging").isEmpty)
    }

    @Test("ten pulls of one image at once fetch and unpack it once")
    func singleFlight() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 500_000)
        let registry = try FakeRegistry { request, _ in image.answer(request) }
        defer { registry.close() }
        let name = "\(registry.host)/team/image:1"
        let results = Mutex<[StoredImage]>([])
        let stores = (0..<10).map { _ in scratch.store() }
        let threads = try stores.map { store in
            try WorkerThread("pull") {
                // A failure shows in the count below.
                if let image = try? store.ensure(name) { results.withLock { $0.append(image) } }
            }
        }
        for thread in threads { thread.join() }
        let images = results.withLock { $0 }
        #expect(images.count == 10 && Set(images.map(\.layers)).count == 1)
        #expect(registry.requests("GET", image.blobPath).count == 1)
    }
}
