import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// Names of images, and what can be told of one.
@Suite("What is told of an image")
struct ImageViewTests {
    private func layers() -> [[UInt8]] {
        var base = TarBuilder()
        base.directory("etc")
        base.file("etc/one", "1")
        base.file("etc/two", "2")
        base.directory("hidden")
        base.file("hidden/below", "x")
        base.file("file", "f")
        var top = TarBuilder()
        top.file("etc/.wh.one")
        top.file("etc/three", "3")
        top.file("etc/two", "II")
        top.directory("hidden")
        top.file("hidden/.wh..wh..opq")
        top.file("hidden/new", "n")
        top.directory("file")
        return [base.archive, top.archive]
    }

    @Test("a tag is another name; untagged, its layers stay until a pruning")
    func tag() throws {
        let scratch = try Scratch()
        let store = scratch.store()
        let image = try store.importImage(try scratch.layout(layers()), tag: "image:1")
        #expect(try store.tag("image:1", as: "localhost:5000/mine") == "localhost:5000/mine:latest")
        #expect(try store.ensure("localhost:5000/mine").layers == image.layers)
        #expect(try store.untag("image:1") == "docker.io/library/image:1")
        #expect(try store.prune(PruneOptions()).layers == 0)
        #expect(try store.untag("localhost:5000/mine") == "localhost:5000/mine:latest")
        #expect(FileManager.default.fileExists(atPath: image.layers[0]))
        #expect(try store.prune(PruneOptions()).layers == 2)
        #expect(!FileManager.default.fileExists(atPath: image.layers[0]))
    }

    @Test("a tag moves: what it meant before it means no more")
    func moved() throws {
        let scratch = try Scratch()
        let store = scratch.store()
        _ = try store.importImage(try scratch.layout(layers()), tag: "a:1")
        let other = try store.importImage(
            try scratch.layout([layers()[0]], name: "other"), tag: "b:1")
        _ = try store.tag("b:1", as: "a:1")
        #expect(try store.ensure("a:1").digest == other.digest)
    }

    @Test(
        "bad names and images that are not there are errors of their own kinds",
        arguments: [
            ("none:1", "mine:1", ImageError.Kind.notFound), ("image:1", "Bad", .malformed),
            ("image:1", "mine@sha256:" + String(repeating: "0", count: 64), .malformed),
            ("Bad", "mine:1", .malformed),
        ])
    func badNames(source: String, target: String, kind: ImageError.Kind) throws {
        let scratch = try Scratch()
        let store = scratch.store()
        _ = try store.importImage(try scratch.layout(layers()), tag: "image:1")
        let error = #expect(throws: ImageError.self) { try store.tag(source, as: target) }
        #expect(error?.kind == kind)
        #expect(store.list().count == 1)
        if source == "none:1" {
            for body in [{ _ = try store.untag(source) }, { _ = try store.history(source) }] {
                let error = #expect(throws: ImageError.self, performing: body)
                #expect(error?.kind == .notFound)
            }
        }
    }

    @Test("history tells each step with its layer, and layers of no step at the end")
    func history() throws {
        let scratch = try Scratch()
        let layout = try scratch.layout(layers())
        let store = scratch.store()
        _ = try store.importImage(layout, tag: "plain:1")
        #expect(try store.history("plain:1").map(\.isEmptyLayer) == [false, false])
        var config = ImageConfig(platform: .current, diffIDs: layers().map { digestOf($0) })
        config.created = "2026-01-02T03:04:05Z"
        var steps = ["ADD base", "ENV A=1", "RUN top"].map {
            ImageConfig.History(created: "2026-01-02T03:04:05Z", createdBy: $0)
        }
        steps[1].emptyLayer = true
        config.history = steps
        let bytes = try DocumentEncoder.bytes(config)
        let told = try scratch.layout(layers(), name: "told") { manifest in
            manifest.config = Descriptor(
                mediaType: MediaType.config, digest: digestOf(bytes), size: Int64(bytes.count))
        }
        try Data(bytes).write(
            to: URL(fileURLWithPath: told + "/blobs/sha256/" + digestOf(bytes).hex))
        _ = try store.importImage(told, tag: "told:1")
        let history = try store.history("told:1")
        #expect(history.map(\.createdBy) == ["ADD base", "ENV A=1", "RUN top"])
        #expect(history.map(\.isEmptyLayer) == [false, true, false])
        let inspected = try store.inspect("told:1")
        #expect(
            history.map(\.layer) == [inspected.layers[0].digest, nil, inspected.layers[1].digest])
        #expect(history[2].size == inspected.layers[1].size)
        #expect(inspected.history == history && inspected.created == "2026-01-02T03:04:05Z")
        #expect(inspected.configDigest == digestOf(bytes).description)
        #expect(inspected.layers.map(\.unpackedSize) == [4, 4] && inspected.layers[0].hasBlob)
    }

    @Test(
        "a layer's changes are those of docker diff: A, C and D",
        arguments: Tools.isRoot ? [OverlayForm.trusted, .user] : [.user])
    func layerChanges(form: OverlayForm) throws {
        let scratch = try Scratch()
        let store = scratch.store(form: form)
        _ = try store.importImage(try scratch.layout(layers()), tag: "image:1")
        let changes = try store.diff("image:1")
        #expect(
            changes[0].changes.map { $0.kind + $0.path } == [
                "A/etc", "A/etc/one", "A/etc/two", "A/file", "A/hidden", "A/hidden/below",
            ])
        #expect(
            changes[1].changes.map { $0.kind + $0.path } == [
                "C/etc", "D/etc/one", "A/etc/three", "C/etc/two", "C/file", "C/hidden",
                "D/hidden/below", "A/hidden/new",
            ])
    }

    @Test("two images differ in names, content, modes and kinds, not in times")
    func imageChanges() throws {
        let scratch = try Scratch()
        let store = scratch.store()
        _ = try store.importImage(try scratch.layout(layers()), tag: "both:1")
        _ = try store.importImage(try scratch.layout([layers()[0]], name: "one"), tag: "one:1")
        #expect(try store.diff("both:1", "both:1") == [])
        #expect(
            try store.diff("one:1", "both:1").map { $0.kind + $0.path } == [
                "C/etc", "D/etc/one", "A/etc/three", "C/etc/two", "C/file", "C/hidden",
                "D/hidden/below", "A/hidden/new",
            ])
        var moded = TarBuilder()
        moded.directory("etc", mtime: 5)
        moded.file("etc/one", "1", mode: 0o600)
        moded.file("etc/two", "3")
        moded.directory("hidden")
        moded.file("hidden/below", "x")
        moded.link("file", to: "f")
        _ = try store.importImage(
            try scratch.layout([moded.archive], name: "moded"), tag: "moded:1")
        #expect(
            try store.diff("one:1", "moded:1").map { $0.kind + $0.path } == [
                "C/etc", "C/etc/one", "C/etc/two", "C/file",
            ])
    }
}
