import Foundation
import OCISpec
import Synchronization
import Testing
import Threads

@testable import ImageStore
@testable import Layers
@testable import Registry

@Suite("Trouble on the way")
struct RetryTests {
    private func reference(_ registry: FakeRegistry) throws -> ImageReference {
        try ImageReference("\(registry.host)/team/image:1")
    }

    /// Fetches the layer, as a pull would; returns what arrived.
    private func fetch(
        _ image: SmallImage, _ registry: FakeRegistry, _ settings: RegistrySettings,
        chunkSize: Int64 = 16 << 20
    ) throws -> [UInt8] {
        let scratch = try Scratch()
        let file = open(try scratch.file("blob", []), O_RDWR)
        defer { close(file) }
        let size = Int64(image.layer.count)
        let download = BlobDownload(
            reference: try reference(registry), digest: image.layerDigest, size: size,
            descriptor: file, chunkSize: chunkSize)
        let pool = try DownloadPool(RegistryClient(settings: settings))
        pool.add(download)
        defer { pool.close() }
        while try download.wait(past: size - 1) < size {}
        var bytes = [UInt8](repeating: 0, count: image.layer.count)
        #expect(pread(file, &bytes, bytes.count, 0) == bytes.count)
        return bytes
    }

    @Test(
        "statuses that pass are tried again, and others are not",
        arguments: [
            (408, true), (425, true), (429, true), (500, true), (502, true), (503, true),
            (504, true), (400, false), (403, false), (405, false), (501, false), (505, false),
        ])
    func statuses(status: Int, passes: Bool) throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch)
        let registry = try FakeRegistry { request, before in
            request.path == image.manifestPath && before == 0
                ? FakeRegistry.Answer(status: status) : image.answer(request)
        }
        defer { registry.close() }
        let client = RegistryClient(settings: scratch.registrySettings)
        // Whether it succeeds shows in what was asked.
        let answer = try? client.manifest(try reference(registry))
        #expect((answer != nil) == passes)
        #expect(registry.requests("GET", image.manifestPath).count == (passes ? 2 : 1))
    }

    @Test("delays double up to a minute, and are drawn from all of it")
    func delays() {
        let limits = (1...12).map { RegistryClient.longestDelay(after: $0, first: 0.5) }
        #expect(limits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60])
        let drawn = (0..<200).map { _ in RegistryClient.delay(after: 7, first: 0.5) }
        #expect(drawn.allSatisfy { (0...32).contains($0) })
        #expect(drawn.contains { $0 < 8 } && drawn.contains { $0 > 24 })
    }

    @Test(
        "Retry-After is heeded to a minute; longer is for a person to wait",
        arguments: [
            (429, "0", true), (503, "0", true), (429, "Wed, 21 Oct 2015 07:28:00 GMT", true),
            (429, "61", false), (503, "1000000000", false), (503, "99999999999999999999", true),
            (429, "Fri, 31 Dec 2099 23:59:59 GMT", false), (429, "-5", true), (503, "soon", true),
        ])
    func retryAfter(status: Int, value: String, isTriedAgain: Bool) throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch)
        let registry = try FakeRegistry { request, before in
            request.path == image.manifestPath && before == 0
                ? FakeRegistry.Answer(status: status, headers: [("Retry-After", value)])
                : image.answer(request)
        }
        defer { registry.close() }
        let client = RegistryClient(settings: scratch.registrySettings)
        // Whether it succeeds shows in what was asked.
        let answer = try? client.manifest(try reference(registry))
        #expect((answer != nil) == isTriedAgain)
    }

    @Test("Retry-After is waited for")
    func waits() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch)
        let registry = try FakeRegistry { request, before in
            request.path == image.manifestPath && before == 0
                ? FakeRegistry.Answer(status: 503, headers: [("Retry-After", "1")])
                : image.answer(request)
        }
        defer { registry.close() }
        let client = RegistryClient(settings: scratch.registrySettings)
        let start = ContinuousClock.now
        _ = try client.manifest(try reference(registry))
        #expect(ContinuousClock.now - start >= .seconds(1))
    }

    @Test("each try begins at the registry, for a storage's URL that is still good")
    func signedURL() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 300_000)
        let used = Mutex<Set<String>>([])
        let storage = try FakeRegistry { request, _ in
            // Each signature is good once, and for a part.
            guard used.withLock({ $0.insert(request.target).inserted }) else {
                return FakeRegistry.Answer(status: 403)
            }
            var answer = FakeRegistry.Answer.blob(image.layer, for: request)
            answer.breaksAfter = 50_000
            return answer
        }
        let registry = try FakeRegistry { request, before in
            request.path == image.blobPath
                ? FakeRegistry.Answer(
                    status: 307,
                    headers: [("Location", "http://\(storage.host)/blob?signature=\(before)")])
                : image.answer(request)
        }
        defer {
            registry.close()
            storage.close()
        }
        #expect(try fetch(image, registry, scratch.registrySettings) == image.layer)
        #expect(registry.requests("GET", image.blobPath).count == storage.requests.count)
        #expect(storage.requests.dropFirst().allSatisfy { ($0.rangeStart ?? 0) >= 50_000 })
    }

    @Test("a connection that stalls is given up and begun anew where it stood")
    func stall() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 200_000)
        let registry = try FakeRegistry { request, before in
            guard request.path == image.blobPath, before == 0 else { return image.answer(request) }
            // Promised and not sent.
            return FakeRegistry.Answer(
                headers: [("Content-Length", "\(image.layer.count)")],
                body: Array(image.layer.prefix(100_000)))
        }
        defer { registry.close() }
        var settings = scratch.registrySettings
        settings.stallTimeout = 1
        #expect(try fetch(image, registry, settings) == image.layer)
        #expect(registry.requests("GET", image.blobPath).last?.rangeStart == 100_000)
    }

    @Test("one that brings next to nothing each time is no progress")
    func dribble() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 200_000)
        let registry = try FakeRegistry { request, _ in
            var answer = image.answer(request)
            if request.path == image.blobPath { answer.breaksAfter = 100 }
            return answer
        }
        defer { registry.close() }
        let error = #expect(throws: RegistryError.self) {
            try fetch(image, registry, scratch.registrySettings)
        }
        #expect(error?.kind == .interrupted)
        #expect(registry.requests("GET", image.blobPath).count == 5)
    }

    @Test("a part that breaks off again and again is no end while others come")
    func progressOfThePull() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 1_500_000)
        let chunk: Int64 = 65_536
        // How often the second part was asked for, and others; each waits for the other.
        let asked = Monitor((second: 0, others: 0))
        let registry = try FakeRegistry { request, _ in
            var answer = image.answer(request)
            guard request.path == image.blobPath else { return answer }
            guard request.rangeStart == Int(chunk) else {
                asked.wait { $0.others < 2 * $0.second + 3 ? true : nil }
                asked.withLock { $0.others += 1 }
                return answer
            }
            let failures = asked.withLock { asked in
                defer { asked.second += 1 }
                return asked.second
            }
            guard failures < 9 else { return answer }
            // Whoever asked for this one has one more part than at the last failure.
            asked.wait { $0.others >= 2 * failures + 5 ? true : nil }
            answer.breaksAfter = 0
            return answer
        }
        defer { registry.close() }
        var settings = scratch.registrySettings
        settings.connections = 2
        settings.attempts = 3
        #expect(try fetch(image, registry, settings, chunkSize: chunk) == image.layer)
    }

    @Test(
        "a compression of the way's own is undone, and one that is only said to be there is not",
        arguments: ["whole", "ranges", "resumed", "said"])
    func contentEncoding(way: String) throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 150_000)
        let packed = try scratch.gzip(image.layer)
        let registry = try FakeRegistry { request, before in
            guard request.path == image.blobPath else { return image.answer(request) }
            let isRange = request.rangeStart != nil && way == "ranges"
            var answer: FakeRegistry.Answer =
                way == "said"
                ? .blob(image.layer, for: request)
                : isRange
                    ? .blob(packed, for: request) : FakeRegistry.Answer(body: packed)
            answer.headers.append(("Content-Encoding", "gzip"))
            if way == "resumed", before == 1 { answer.breaksAfter = 100_000 }
            return answer
        }
        defer { registry.close() }
        #expect(
            try fetch(image, registry, scratch.registrySettings, chunkSize: 65_536) == image.layer)
        #expect(
            registry.requests("GET", image.blobPath).first?.headers["accept-encoding"] == "identity"
        )
    }

    @Test("a range of another blob is refused")
    func otherTotal() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 150_000)
        let registry = try FakeRegistry { request, _ in
            var answer = image.answer(request)
            if let start = request.rangeStart, let end = request.rangeEnd {
                answer.headers = [("Content-Range", "bytes \(start)-\(end)/7")]
            }
            return answer
        }
        defer { registry.close() }
        let error = #expect(throws: RegistryError.self) {
            try fetch(image, registry, scratch.registrySettings, chunkSize: 65_536)
        }
        #expect(
            error?.kind == .malformed && error?.reason.contains("another blob") == true,
            "\(String(describing: error))")
    }

    @Test("what a registry wants people to know is told once")
    func warnings() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch)
        let registry = try FakeRegistry { request, _ in
            var answer = image.answer(request)
            answer.headers += [
                ("Warning", #"299 - "say \"goodbye\" to v1""#), ("Warning", #"110 - "stale""#),
            ]
            return answer
        }
        defer { registry.close() }
        let told = Mutex<[String]>([])
        var settings = scratch.registrySettings
        settings.warn = { text in told.withLock { $0.append(text) } }
        let client = RegistryClient(settings: settings)
        for _ in 0..<2 { _ = try client.manifest(try reference(registry)) }
        #expect(told.withLock { $0 } == [#"\#(registry.host) warns: say "goodbye" to v1"#])
    }

    @Test("a tag that means what it meant costs a HEAD and nothing more")
    func headFirst() throws {
        let scratch = try Scratch()
        let (image, other) = (try SmallImage(scratch), try SmallImage(scratch, size: 2000))
        let state = Mutex("first")
        let registry = try FakeRegistry { request, _ in
            let state = state.withLock { $0 }
            if state == "no HEAD", request.method == "HEAD" {
                return FakeRegistry.Answer(status: 405)
            }
            let image = state == "moved" ? other : image
            var answer = image.answer(request)
            if request.path == image.manifestPath {
                answer.headers.append(("Docker-Content-Digest", "\(digestOf(image.manifest))"))
            }
            return answer
        }
        defer { registry.close() }
        let name = try reference(registry).description
        func pull() throws -> (digest: String?, requests: [String]) {
            let before = registry.requests.count
            let stored = try scratch.store().ensure(name, options: PullOptions(policy: .always))
            let requests = registry.requests.dropFirst(before).filter { $0.path != "/v2/" }
            return (stored.digest, requests.map { "\($0.method) \($0.path)" })
        }
        let (head, get) = ("HEAD \(image.manifestPath)", "GET \(image.manifestPath)")
        #expect(try pull().requests.first == get)
        let again = try pull()
        #expect(again.requests == [head] && again.digest == "\(digestOf(image.manifest))")
        state.withLock { $0 = "no HEAD" }
        #expect(try pull().requests == [head, get])
        state.withLock { $0 = "moved" }
        let moved = try pull()
        #expect(moved.requests.starts(with: [head, get]))
        #expect(moved.digest == "\(digestOf(other.manifest))")
    }
}
