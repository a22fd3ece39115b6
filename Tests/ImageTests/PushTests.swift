import Foundation
import OCISpec
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

/// How blobs and manifests are sent (distribution-spec, "Push"), to registries of all manners.
@Suite("How blobs are sent")
struct PushTests {
    private let scratch: Scratch
    private let blob: [UInt8]
    private let file: Int32

    init() throws {
        scratch = try Scratch()
        var random = SeededGenerator(seed: 7)
        blob = (0..<300_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        file = open(try scratch.file("blob", blob), O_RDONLY)
    }

    private func client(chunkSize: Int64 = 16 << 20, stallTimeout: Int = 30) -> RegistryClient {
        var settings = RegistrySettings()
        settings.stallTimeout = stallTimeout
        settings.firstDelay = 0.01
        settings.chunkSize = chunkSize
        return RegistryClient(settings: settings)
    }

    private func reference(_ registry: PushRegistry) throws -> ImageReference {
        try ImageReference("\(registry.host)/team/image:1")
    }

    /// Offers the blob and sends what is wanted.
    private func send(
        _ registry: PushRegistry, chunkSize: Int64 = 16 << 20, size: Int? = nil,
        from repository: String? = nil
    ) throws {
        let size = size ?? blob.count
        let client = client(chunkSize: chunkSize)
        let digest = digestOf(blob.prefix(size))
        guard
            case .wanted(let session) = try client.offer(
                try reference(registry), digest, from: repository)
        else { return }
        let upload = BlobUpload(
            reference: try reference(registry), digest: digest, size: Int64(size),
            descriptor: file, session: session)
        try client.upload(upload)
        #expect(upload.sent == Int64(size))
        #expect(registry.holds(Array(blob.prefix(size))))
    }

    @Test("a blob that is there is not sent")
    func present() throws {
        let registry = try PushRegistry()
        registry.give(blob)
        try send(registry)
        #expect(registry.requests("HEAD").count == 1)
        #expect(registry.requests("POST").isEmpty && registry.requests("PUT").isEmpty)
    }

    @Test("a blob goes whole, with its length, in one request")
    func monolithic() throws {
        let registry = try PushRegistry()
        try send(registry)
        let puts = registry.requests("PUT")
        #expect(puts.count == 1 && registry.requests("PATCH").isEmpty)
        #expect(puts[0].headers["content-length"] == "\(blob.count)")
        #expect(puts[0].query("digest") == digestOf(blob).description)
        #expect(puts[0].headers["content-type"] == "application/octet-stream")
    }

    @Test(
        "the place of an upload is taken as it is told, and only added to",
        arguments: ["absolute", "path", "relative", "bare"])
    func locations(form: String) throws {
        let registry = try PushRegistry(
            .init(location: { url, path in
                switch form {
                case "absolute": url
                case "relative": path.components(separatedBy: "/uploads/")[1]
                case "bare": path.components(separatedBy: "?")[0] + "?x=%2F+%3d&_state=a%3D0"
                default: path
                }
            }))
        try send(registry)
        let put = try #require(registry.requests("PUT").first)
        #expect(put.path == "/v2/team/image/blobs/uploads/1")
        let query = form == "bare" ? "x=%2F+%3d&_state=a%3D0" : "_state=a%3D0"
        let digest = digestOf(blob).description.replacingOccurrences(of: ":", with: "%3A")
        #expect(put.target.hasSuffix("?\(query)&digest=\(digest)"), "\(put.target)")
    }

    @Test("an upload on another host gets the bytes and no credentials")
    func otherHost() throws {
        let storage = try FakeRegistry { _, _ in FakeRegistry.Answer(status: 201) }
        defer { storage.close() }
        let basic = "Basic " + Data("alice:wonder".utf8).base64EncodedString()
        let registry = try PushRegistry(
            .init(
                location: { _, _ in "http://\(storage.host)/bucket?signature=secret" },
                answer: { request, _ in
                    guard request.path != "/v2/", request.headers["authorization"] != basic else {
                        return nil
                    }
                    return FakeRegistry.Answer(
                        status: 401, headers: [("WWW-Authenticate", #"Basic realm="r""#)])
                }))
        let auth = Data("alice:wonder".utf8).base64EncodedString()
        let path = try scratch.file(
            "auth.json", Array(#"{"auths":{"\#(registry.host)":{"auth":"\#(auth)"}}}"#.utf8))
        let client = RegistryClient(
            settings: RegistrySettings(environment: ["REGISTRY_AUTH_FILE": path]))
        try client.upload(
            BlobUpload(
                reference: try reference(registry), digest: digestOf(blob), size: Int64(blob.count),
                descriptor: file))
        let put = try #require(storage.requests.first { $0.method == "PUT" })
        #expect(put.body == blob && put.headers["authorization"] == nil)
        #expect(put.target.hasPrefix("/bucket?signature=secret&digest="))
        #expect(registry.requests("POST").last?.headers["authorization"] == basic)
    }

    @Test(
        "an upload follows 307 and 308 with all of its body, to other hosts without credentials; after 302 nothing is sent",
        arguments: [(307, true), (308, true), (302, false)])
    func redirected(status: Int, arrives: Bool) throws {
        let storage = try FakeRegistry { _, _ in FakeRegistry.Answer(status: 201) }
        defer { storage.close() }
        let target = "http://\(storage.host)/bucket?signature=secret"
        let registry = try PushRegistry(
            .init(answer: { request, _ in
                request.method == "PUT"
                    ? FakeRegistry.Answer(status: status, headers: [("Location", target)]) : nil
            }))
        let upload = BlobUpload(
            reference: try reference(registry), digest: digestOf(blob), size: Int64(blob.count),
            descriptor: file)
        if arrives {
            try client(chunkSize: 16 << 20).upload(upload)
        } else {
            #expect(throws: RegistryError.self) { try client(chunkSize: 16 << 20).upload(upload) }
        }
        let bodies = storage.requests.map { "\($0.method) \($0.target) \($0.body == blob)" }
        #expect(bodies == (arrives ? ["PUT /bucket?signature=secret true"] : []))
    }

    @Test(
        "a small blob goes with the request that opens its upload, and in another where that is not taken",
        arguments: [(201, 1, 0), (202, 1, 1), (400, 2, 1), (405, 2, 1)])
    func smallBlobs(status: Int, posts: Int, puts: Int) throws {
        let registry = try PushRegistry(.init(single: status))
        try send(registry, size: 700)
        #expect(registry.requests("POST").count == posts)
        #expect(registry.requests("PUT").count == puts)
        #expect(registry.requests("POST")[0].body == Array(blob.prefix(700)))
    }

    @Test("an empty blob is sent")
    func emptyBlob() throws {
        let registry = try PushRegistry()
        try send(registry, size: 0)
        #expect(registry.requests("PUT")[0].headers["content-length"] == "0")
    }

    // MARK: Mounts

    @Test("a blob is mounted from another repository")
    func mounted() throws {
        let registry = try PushRegistry()
        try send(registry, from: "other/image")
        let posts = registry.requests("POST")
        #expect(posts.count == 1 && registry.requests("PUT").isEmpty)
        #expect(posts[0].query("mount") == digestOf(blob).description)
        #expect(posts[0].query("from") == "other/image")
    }

    @Test("where a mount opens an upload instead, that one is used")
    func mountOpensUpload() throws {
        let registry = try PushRegistry(.init(mount: 202))
        try send(registry, from: "other/image")
        let posts = registry.requests("POST")
        #expect(posts.count == 1 && posts[0].query("from") == "other/image")
        #expect(registry.requests("PUT").count == 1)
    }

    @Test("where a mount is refused the blob is sent", arguments: [401, 403, 404, 405])
    func refusedMount(status: Int) throws {
        let registry = try PushRegistry(.init(mount: status))
        try send(registry, from: "other/image")
        #expect(registry.requests("POST").contains { $0.query("mount") != nil })
        #expect(registry.requests("PUT").count == 1)
    }

    @Test("for a mount a token is asked for that is good for both repositories")
    func mountToken() throws {
        let scopes = ["repository:team/image:pull,push", "repository:other/image:pull"]
        let registry = try PushRegistry(
            .init(answer: { request, _ in
                if request.path == "/token" {
                    let asked = URLComponents(string: request.target)?.queryItems ?? []
                    let token = asked.filter { $0.name == "scope" }.compactMap(\.value)
                    let body = Data(token.sorted().joined(separator: "+").utf8)
                        .base64EncodedString()
                    return FakeRegistry.Answer(body: Array(#"{"token":"\#(body)"}"#.utf8))
                }
                let wanted = request.query("mount") == nil ? [scopes[0]] : scopes
                let token = Data(wanted.sorted().joined(separator: "+").utf8).base64EncodedString()
                guard request.path != "/v2/", request.headers["authorization"] != "Bearer " + token
                else { return nil }
                let challenge =
                    #"Bearer realm="http://\#(request.headers["host"] ?? "")/token",service="s","#
                    + #"scope="\#(wanted.joined(separator: " "))",error="insufficient_scope""#
                return FakeRegistry.Answer(status: 401, headers: [("WWW-Authenticate", challenge)])
            }))
        try send(registry, from: "other/image")
        #expect(registry.requests("PUT").isEmpty, "it was mounted")
    }

    // MARK: Chunks

    @Test("chunks go in order, each to the place that the last answer named")
    func chunks() throws {
        let registry = try PushRegistry(.init(leastChunk: 120_000))
        try send(registry, chunkSize: 65_536)
        let ranges = registry.requests("PATCH").map { $0.headers["content-range"] }
        #expect(ranges == ["0-119999", "120000-239999", "240000-299999"])
        #expect(
            registry.requests("PATCH").map { $0.query("_state") } == [
                "a=0", "a=120000", "a=240000",
            ])
        let put = try #require(registry.requests("PUT").first)
        #expect(put.body.isEmpty && put.query("_state") == "a=300000")
    }

    @Test("what is too large for a registry is sent in chunks that are not")
    func tooLarge() throws {
        let registry = try PushRegistry(.init(bodyLimit: 100_000))
        try send(registry, chunkSize: 150_000)
        #expect(registry.requests("PATCH").contains { $0.body.count == 75_000 })
    }

    @Test("a registry that takes no chunk of any size is told of")
    func noChunk() throws {
        let registry = try PushRegistry(.init(bodyLimit: 1000))
        let error = #expect(throws: RegistryError.self) { try send(registry, chunkSize: 150_000) }
        #expect(error?.kind == .status(413) && error?.hint?.contains("limit") == true)
    }

    @Test("a chunk that is out of place is followed by the question where to go on")
    func outOfPlace() throws {
        let registry = try PushRegistry(
            .init(
                leastChunk: 1,
                answer: { request, before in
                    // The second chunk is taken, and then refused as if it came from somewhere else.
                    guard request.method == "PATCH", request.query("_state") == "a=100000",
                        before == 1
                    else { return nil }
                    return FakeRegistry.Answer(status: 416, headers: [("Range", "0-99999")])
                }))
        try send(registry, chunkSize: 100_000)
        #expect(registry.requests("GET").contains { $0.path.hasSuffix("/uploads/1") })
        #expect(registry.now.opened == 1, "the same upload goes on")
    }

    @Test("a registry that contradicts itself is not argued with for ever")
    func contradiction() throws {
        let registry = try PushRegistry(
            .init(
                leastChunk: 1,
                answer: { request, _ in
                    request.method == "PATCH" ? FakeRegistry.Answer(status: 416) : nil
                }))
        let error = #expect(throws: RegistryError.self) { try send(registry) }
        #expect(error?.kind == .status(416))
    }

    // MARK: Cuts

    @Test("what broke off goes on where the registry says that it ends")
    func cut() throws {
        let registry = try PushRegistry(
            .init(cut: { request, before in request.method == "PUT" && before == 0 ? 123_456 : nil }
            ))
        try send(registry, chunkSize: 100_000)
        #expect(registry.now.opened == 1 && registry.now.broken == 1)
        let ranges = registry.requests("PATCH").map { $0.headers["content-range"] }
        #expect(ranges == ["123456-223455", "223456-299999"])
    }

    @Test("an upload that the registry forgot is begun anew")
    func forgotten() throws {
        let registry = try PushRegistry(
            .init(
                remembers: false,
                cut: { request, before in request.method == "PUT" && before == 0 ? 10 : nil }))
        try send(registry)
        #expect(registry.now.opened == 2)
        #expect(registry.requests("HEAD").count == 2, "it may have been whole")
    }

    @Test("an upload that ran out while it waited is begun anew")
    func ranOut() throws {
        let registry = try PushRegistry(
            .init(answer: { request, _ in
                request.method == "PUT" && request.path.hasSuffix("/uploads/1")
                    ? FakeRegistry.Answer(status: 404) : nil
            }))
        try send(registry)
        #expect(registry.now.opened == 2)
    }

    @Test("a blob whose last answer was lost is not sent again")
    func lostAnswer() throws {
        let given = Mutex<[UInt8]>([])
        let registry = try PushRegistry(
            .init(answer: { request, before in
                let isThere = given.withLock { !$0.isEmpty }
                switch request.method {
                case "PUT":
                    given.withLock { $0 = request.body }
                    return FakeRegistry.Answer(status: 503)
                case "HEAD": return FakeRegistry.Answer(status: isThere ? 200 : 404)
                case "GET" where isThere: return FakeRegistry.Answer(status: 404)
                default: return nil
                }
            }))
        let upload = BlobUpload(
            reference: try reference(registry), digest: digestOf(blob), size: Int64(blob.count),
            descriptor: file)
        try client().upload(upload)
        #expect(registry.requests("PUT").count == 1)
    }

    @Test("a digest that the registry does not find is an error at once")
    func wrongDigest() throws {
        let registry = try PushRegistry()
        let upload = BlobUpload(
            reference: try reference(registry), digest: digestOf([1]), size: Int64(blob.count),
            descriptor: file)
        let error = #expect(throws: RegistryError.self) { try client().upload(upload) }
        #expect(error?.kind == .status(400))
        #expect(registry.requests("PUT").count == 1)
    }

    @Test("an upload that stands still is broken off, and goes on")
    func standsStill() throws {
        let begun = Mutex(0)
        let registry = try PushRegistry(
            .init(cut: { request, before in
                guard request.method == "PUT" else { return nil }
                begun.withLock { $0 += 1 }
                // Nothing of the body is read meanwhile.
                if before == 0 { sleep(3) }
                return nil
            }))
        // More than sockets hold.
        let large = [UInt8](repeating: 7, count: 32 << 20)
        let file = open(try scratch.file("large", large), O_RDONLY)
        defer { close(file) }
        try client(stallTimeout: 1).upload(
            BlobUpload(
                reference: try reference(registry), digest: digestOf(large),
                size: Int64(large.count), descriptor: file))
        #expect(registry.holds(large) && registry.now.opened == 1)
        #expect(begun.withLock { $0 } == 2)
    }

    @Test("a registry may take its time once it has all of a blob")
    func slowAnswer() throws {
        let registry = try PushRegistry(
            .init(answer: { request, _ in
                if request.method == "PUT" { sleep(3) }
                return nil
            }))
        try client(stallTimeout: 1).upload(
            BlobUpload(
                reference: try reference(registry), digest: digestOf(blob), size: Int64(blob.count),
                descriptor: file))
        #expect(registry.requests("PUT").count == 1)
    }
}
