import Foundation
import OCISpec
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

/// A registry whose documents a test makes: by tag `1` or digest; blobs by digest.
private struct DocumentRig {
    let scratch: Scratch
    let registry: FakeRegistry
    let layer: [UInt8]
    let diffID: Digest

    /// `make` puts documents and layers on the shelf, and says which of them the tag names.
    init(
        _ make: (inout Shelf, [UInt8], Digest) throws -> Descriptor,
        headers: [(String, String)] = []
    ) throws {
        scratch = try Scratch()
        var tar = TarBuilder()
        tar.file("etc/one", "1")
        layer = try scratch.gzip(tar.archive)
        diffID = digestOf(tar.archive)
        var shelf = Shelf()
        let top = try make(&shelf, layer, diffID).digest
        let all = shelf.all
        registry = try FakeRegistry { request, _ in
            if request.path == "/v2/" { return FakeRegistry.Answer() }
            let name = request.path.split(separator: "/").last.map(String.init) ?? ""
            guard let found = all[name == "1" ? "\(top)" : name] else {
                return FakeRegistry.Answer(status: 404)
            }
            return FakeRegistry.Answer(
                headers: [("Content-Type", found.type)] + headers, body: found.bytes)
        }
    }

    func pull(_ options: PullOptions = PullOptions()) throws -> StoredImage {
        try scratch.store().ensure("\(registry.host)/team/image:1", options: options)
    }

    struct Shelf {
        var all: [String: (bytes: [UInt8], type: String)] = [:]

        mutating func put(_ bytes: [UInt8], _ type: String) -> Descriptor {
            all["\(digestOf(bytes))"] = (bytes, type)
            return Descriptor(mediaType: type, digest: digestOf(bytes), size: Int64(bytes.count))
        }

        /// An image of layers that are on the shelf.
        mutating func image(
            _ layers: [Descriptor], _ diffIDs: [Digest], platform: Platform = .current
        ) throws -> Descriptor {
            let config = put(
                try DocumentEncoder.bytes(ImageConfig(platform: platform, diffIDs: diffIDs)),
                MediaType.config)
            let manifest = Manifest(
                mediaType: MediaType.manifest, config: config, layers: layers)
            return put(try DocumentEncoder.bytes(manifest), MediaType.manifest)
        }

        mutating func index(_ entries: [Descriptor]) throws -> Descriptor {
            put(try DocumentEncoder.bytes(Index(manifests: entries)), MediaType.index)
        }
    }
}

@Suite("Documents of a pull")
struct PullRuleTests {
    @Test("all types of manifests are accepted, and whatever else is last")
    func accept() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            return try shelf.image([part], [diffID])
        }
        defer { rig.registry.close() }
        _ = try rig.pull()
        let asked = rig.registry.requests("GET", "/v2/team/image/manifests/1").first
        #expect(
            asked?.headers["accept"]
                == "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*"
        )
    }

    @Test("indexes may nest, and what is no image in them is passed over")
    func nested() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            var image = try shelf.image([part], [diffID])
            image.platform = .current
            var attestation = shelf.put(Array("{}".utf8), MediaType.manifest)
            attestation.platform = Platform(os: "unknown", architecture: "unknown")
            var artifact = attestation
            artifact.platform = .current
            artifact.artifactType = "application/x"
            var inner = try shelf.index([attestation, artifact, image])
            inner.platform = .current
            return try shelf.index([attestation, inner])
        }
        defer { rig.registry.close() }
        #expect(try rig.pull().layers.count == 1)
    }

    @Test("an index that leads to itself, or too deep, is refused")
    func tooDeep() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            var entry = try shelf.image([part], [diffID])
            for _ in 0..<4 {
                entry.platform = .current
                entry = try shelf.index([entry])
            }
            return entry
        }
        defer { rig.registry.close() }
        let error = #expect(throws: ImageError.self) { try rig.pull() }
        #expect(error?.kind == .unsupported, "\(String(describing: error))")
    }

    @Test("an image whose configuration is for another machine is refused, whatever the index says")
    func mislabelled() throws {
        let other = Platform(os: "linux", architecture: "s390x")
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            var image = try shelf.image([part], [diffID], platform: other)
            image.platform = .current
            return try shelf.index([image])
        }
        defer { rig.registry.close() }
        let error = #expect(throws: ImageError.self) { try rig.pull() }
        #expect(
            error?.kind == .unsupported && error?.reason.contains("linux/s390x") == true,
            "\(String(describing: error))")
    }

    @Test("a layer that comes twice is fetched once, and one without a byte is empty")
    func duplicates() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            let empty = shelf.put([], MediaType.layer)
            return try shelf.image([part, empty, part], [diffID, digestOf([UInt8]()), diffID])
        }
        defer { rig.registry.close() }
        #expect(try rig.pull().layers.count >= 1)
        let path = "/v2/team/image/blobs/\(digestOf(rig.layer))"
        #expect(rig.registry.requests("GET", path).count == 1)
    }

    @Test("a manifest and its configuration must have the same number of layers")
    func layerCount() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            return try shelf.image([part], [diffID, diffID])
        }
        defer { rig.registry.close() }
        #expect(throws: ImageError.self) { try rig.pull() }
    }

    @Test("places that a layer names are never asked: it comes from its registry or not at all")
    func foreignLayer() throws {
        let elsewhere = try FakeRegistry { _, _ in FakeRegistry.Answer() }
        defer { elsewhere.close() }
        let rig = try DocumentRig { shelf, layer, diffID in
            let missing = Descriptor(
                mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                digest: digestOf(layer), size: Int64(layer.count))
            let image = try shelf.image([missing], [diffID])
            let bytes = shelf.all["\(image.digest)"]?.bytes ?? []
            let text = String(decoding: bytes, as: UTF8.self).replacingOccurrences(
                of: "\"mediaType\":\"\(missing.mediaType)\"",
                with:
                    "\"mediaType\":\"\(missing.mediaType)\",\"urls\":[\"http://\(elsewhere.host)/layer\"]"
            )
            #expect(text.contains(elsewhere.host))
            return shelf.put(Array(text.utf8), MediaType.manifest)
        }
        defer { rig.registry.close() }
        let error = #expect(throws: ImageError.self) { try rig.pull() }
        #expect(error?.kind == .notFound, "\(String(describing: error))")
        #expect(elsewhere.requests.isEmpty)
    }

    @Test("without Docker-Content-Digest the bytes alone say what the image is")
    func noDigestHeader() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            return try shelf.image([part], [diffID])
        }
        defer { rig.registry.close() }
        let first = try rig.pull()
        #expect(try rig.pull(PullOptions(policy: .always)) == first)
        // A HEAD that says nothing is followed by a GET.
        let path = "/v2/team/image/manifests/1"
        #expect(rig.registry.requests("HEAD", path).count == 1)
        #expect(rig.registry.requests("GET", path).count == 2)
    }

    @Test("a configuration larger than four megabytes is refused before it is fetched")
    func largeConfig() throws {
        let rig = try DocumentRig { shelf, layer, diffID in
            let config = shelf.put([UInt8](repeating: 32, count: 5 << 20), MediaType.config)
            let manifest = Manifest(mediaType: MediaType.manifest, config: config, layers: [])
            return shelf.put(try DocumentEncoder.bytes(manifest), MediaType.manifest)
        }
        defer { rig.registry.close() }
        let error = #expect(throws: ImageError.self) { try rig.pull() }
        #expect(error?.kind == .hostile)
        #expect(rig.registry.requests.filter { $0.path.contains("/blobs/") }.isEmpty)
    }

    @Test("with a tag and a digest, the digest says what is fetched")
    func tagAndDigest() throws {
        let digest = Mutex<Digest?>(nil)
        let rig = try DocumentRig { shelf, layer, diffID in
            let part = shelf.put(layer, MediaType.layerGzip)
            let image = try shelf.image([part], [diffID])
            digest.withLock { $0 = image.digest }
            return shelf.put(Array("no manifest".utf8), "text/plain")
        }
        defer { rig.registry.close() }
        let wanted = try #require(digest.withLock { $0 })
        let image = try rig.scratch.store().ensure("\(rig.registry.host)/team/image:1@\(wanted)")
        #expect(image.digest == wanted.description)
    }
}
