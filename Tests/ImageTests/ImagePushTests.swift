import Foundation
import OCISpec
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

/// Which parts of an image are sent, and in which order.
@Suite("What is sent of an image")
struct ImagePushTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func archive(_ name: String, _ text: String = "x") -> [UInt8] {
        var tar = TarBuilder()
        tar.file(name, text)
        return tar.archive
    }

    /// Paths of requests that brought something, in order.
    private func brought(_ registry: PushRegistry) -> [String] {
        registry.requests.filter { $0.method == "PUT" }.map { request in
            request.query("digest") ?? request.path
        }
    }

    @Test("configuration and layers go before the manifest, byte for byte")
    func order() throws {
        let registry = try PushRegistry()
        let store = scratch.store()
        let name = "\(registry.host)/team/image:1"
        let layout = try scratch.layout([archive("a"), archive("b")])
        _ = try store.importImage(layout, tag: name)
        let told = Mutex<[TransferProgress]>([])
        let digest = try store.push(name) { progress in told.withLock { $0.append(progress) } }
        #expect(brought(registry).count == 4)
        #expect(brought(registry).last == "/v2/team/image/manifests/1")
        for blob in try FileManager.default.contentsOfDirectory(atPath: layout + "/blobs/sha256")
        where blob != String(digest.dropFirst(7)) {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: layout + "/blobs/sha256/" + blob))
            #expect(registry.now.blobs["sha256:" + blob] == Array(bytes))
        }
        let put = try #require(registry.now.manifests.first)
        #expect(put.type == MediaType.manifest)
        #expect(digestOf(put.bytes).description == digest)
        let last = told.withLock { $0.last }
        #expect(last?.isDocument == true && last?.digest == digest && last?.state == .sent)
        let again = Mutex<Set<TransferProgress.State>>([])
        _ = try store.push(name) { progress in
            if !progress.isDocument { again.withLock { _ = $0.insert(progress.state) } }
        }
        #expect(again.withLock { $0 }.subtracting([.waiting]) == [.present])
    }

    @Test("a repository that the store knows of the same registry lends its blobs")
    func lends() throws {
        let registry = try PushRegistry()
        let store = scratch.store()
        let layout = try scratch.layout([archive("a"), archive("b")])
        _ = try store.importImage(layout, tag: "\(registry.host)/base/image:1")
        _ = try store.importImage(layout, tag: "127.0.0.1:1/elsewhere:1")
        _ = try store.importImage(layout, tag: "\(registry.host)/mine/image:1")
        _ = try store.push("\(registry.host)/mine/image:1")
        let posts = registry.requests("POST")
        #expect(posts.count == 3 && posts.allSatisfy { $0.query("from") == "base/image" })
        #expect(brought(registry) == ["/v2/mine/image/manifests/1"])
    }

    @Test("a foreign layer is not sent")
    func foreign() throws {
        let registry = try PushRegistry()
        let name = "\(registry.host)/team/image:1"
        let layout = try scratch.layout([archive("a"), archive("b")]) { manifest in
            manifest.layers[0].mediaType =
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        }
        let store = scratch.store()
        _ = try store.importImage(layout, tag: name)
        _ = try store.push(name)
        let layers = try store.inspect(name).layers.map(\.digest)
        #expect(registry.now.blobs[layers[0]] == nil)
        #expect(registry.now.blobs[layers[1]] != nil)
    }

    /// An index of two platforms in a layout, the second of `missing` blobs perhaps.
    private func layout(isWhole: Bool) throws -> (path: String, manifests: [String]) {
        let own = try scratch.layout([archive("a")], name: "own")
        let other = try scratch.layout([archive("b")], name: "other") { _ in }
        let blobs = "/blobs/sha256/"
        var entries: [Descriptor] = []
        for (path, architecture) in [(own, Platform.current.architecture), (other, "s390x")] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path + "/index.json"))
            guard case .index(let index) = try ManifestDocument(bytes) else { continue }
            var entry = index.manifests[0]
            entry.annotations = nil
            entry.platform = Platform(os: "linux", architecture: architecture)
            entries.append(entry)
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: other + blobs)
        where !FileManager.default.fileExists(atPath: own + blobs + name) {
            try FileManager.default.copyItem(
                atPath: other + blobs + name, toPath: own + blobs + name)
        }
        if !isWhole {
            let layer = digestOf(try scratch.gzip(archive("b")))
            try FileManager.default.removeItem(atPath: own + blobs + layer.hex)
        }
        let index = try DocumentEncoder.bytes(Index(manifests: entries))
        let digest = digestOf(index)
        try Data(index).write(to: URL(fileURLWithPath: own + blobs + digest.hex))
        var top = Descriptor(
            mediaType: MediaType.index, digest: digest, size: Int64(index.count))
        top.annotations = [LayoutIndex.nameKey: "mine:1"]
        try Data(DocumentEncoder.bytes(Index(manifests: [top]))).write(
            to: URL(fileURLWithPath: own + "/index.json"))
        return (own, entries.map(\.digest.description) + [digest.description])
    }

    @Test("an index goes after its manifests, and they after their blobs")
    func index() throws {
        let registry = try PushRegistry()
        let store = scratch.store()
        let (path, manifests) = try layout(isWhole: true)
        _ = try store.load(.file(path))
        // A removal leaves all of it alone.
        _ = try store.importImage(try scratch.layout([archive("c")], name: "gone"), tag: "gone:1")
        _ = try store.remove("gone:1")
        let digest = try store.push("mine:1", to: "\(registry.host)/team/image:1")
        #expect(digest == manifests[2])
        let places = manifests.prefix(2).map { "/v2/team/image/manifests/" + $0 }
        #expect(brought(registry).suffix(3) == places + ["/v2/team/image/manifests/1"])
        #expect(registry.now.manifests.last?.type == MediaType.index)
        #expect(registry.now.blobs.count == 4)
    }

    @Test("of an index that is not whole the one platform is sent that is here")
    func partialIndex() throws {
        let registry = try PushRegistry()
        let store = scratch.store()
        let (path, manifests) = try layout(isWhole: false)
        _ = try store.load(.file(path))
        let digest = try store.push("mine:1", to: "\(registry.host)/team/image:1")
        #expect(digest == manifests[0])
        #expect(registry.now.manifests.map(\.type) == [MediaType.manifest])
    }

    @Test("when one blob fails nothing is named, and the error says which")
    func failure() throws {
        let registry = try PushRegistry(
            .init(answer: { request, _ in
                request.method == "PUT" && request.query("digest") != nil
                    ? FakeRegistry.Answer(status: 403) : nil
            }))
        let store = scratch.store()
        let name = "\(registry.host)/team/image:1"
        _ = try store.importImage(try scratch.layout([archive("a"), archive("b")]), tag: name)
        let error = #expect(throws: ImageError.self) { try store.push(name) }
        #expect(error?.kind == .denied && error?.subject == name)
        #expect(registry.now.manifests.isEmpty)
    }

    @Test("a name that is another digest is no name for the image")
    func otherDigest() throws {
        let registry = try PushRegistry()
        let store = scratch.store()
        _ = try store.importImage(try scratch.layout([archive("a")]), tag: "mine:1")
        let error = #expect(throws: ImageError.self) {
            try store.push("mine:1", to: "\(registry.host)/team/image@\(digestOf([1]))")
        }
        #expect(error?.kind == .malformed)
        #expect(registry.requests.isEmpty)
    }
}
