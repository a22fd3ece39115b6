import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers

/// Archives of images, written here and read by others, and the other way round.
@Suite("Archives of images")
struct ArchiveTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func store(with names: String...) throws -> ImageStore {
        let store = scratch.store("first")
        let layout = try scratch.layout(TarBuilder.twoLayers(), name: "source")
        for name in names { _ = try store.importImage(layout, tag: name) }
        return store
    }

    private func saved(_ store: ImageStore, _ names: [String], _ format: ArchiveFormat) throws
        -> String
    {
        let path = scratch.path + "/saved-\(UUID().uuidString).tar"
        try store.save(names, to: .file(path), format: format)
        return path
    }

    private func tar(_ folder: String, _ name: String = "made.tar") throws -> String {
        let path = scratch.path + "/" + name
        try Tools.run("tar", "-C", folder, "-cf", path, ".")
        return path
    }

    @Test(
        "what is saved is loaded under all its names, with the same content",
        arguments: ArchiveFormat.allCases)
    func roundTrip(format: ArchiveFormat) throws {
        let store = try store(with: "one:1", "one:2", "host.example/two:1")
        let other = scratch.store("second")
        let names = ["one:1", "one:2", "host.example/two:1"]
        let loaded = try other.load(.file(try saved(store, names, format)))
        #expect(Set(loaded.map(\.reference)) == Set(store.list().map(\.reference)))
        let (before, after) = (try store.inspect("one:1"), try other.inspect("one:1"))
        #expect(after.layers.map(\.diffID) == before.layers.map(\.diffID))
        if format == .oci { #expect(after.summary.digest == before.summary.digest) }
        let registry = try PushRegistry()
        #expect(try other.push("one:1", to: "\(registry.host)/x:1") == after.summary.digest)
    }

    @Test("two images in one archive are two", arguments: ArchiveFormat.allCases)
    func several(format: ArchiveFormat) throws {
        let store = try store(with: "one:1")
        _ = try store.importImage(
            try scratch.layout([TarBuilder.twoLayers()[0]], name: "b"), tag: "two:1")
        let loaded = try scratch.store("second").load(
            .file(try saved(store, ["one:1", "two:1"], format)))
        #expect(loaded.map(\.layers.count) == [2, 1])
        // A path means one image.
        let path = try saved(store, ["one:1", "two:1"], .docker)
        let error = #expect(throws: ImageError.self) { try store.ensure(path) }
        #expect(error?.hint?.contains("image load") == true)
    }

    @Test("equal images make equal archives", arguments: ArchiveFormat.allCases)
    func reproducible(format: ArchiveFormat) throws {
        let store = try store(with: "one:1")
        let paths = try (0..<2).map { _ in try saved(store, ["one:1"], format) }
        #expect(
            FileManager.default.contentsEqual(atPath: paths[0], andPath: paths[1]))
    }

    @Test("a pipe is written to, and read from")
    func pipes() throws {
        let store = try store(with: "one:1")
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let (reader, writer) = (ends[0], ends[1])
        let thread = Thread {
            try? store.save(["one:1"], to: .descriptor(writer))
            close(writer)
        }
        thread.start()
        let loaded = try scratch.store("second").load(.descriptor(reader))
        close(reader)
        #expect(loaded.map(\.reference) == ["docker.io/library/one:1"])
    }

    // MARK: Judges

    @Test(
        "skopeo reads what is saved", .enabled(if: Tools.has("skopeo"), "needs skopeo"),
        arguments: ArchiveFormat.allCases)
    func skopeoReads(format: ArchiveFormat) throws {
        let store = try store(with: "one:1")
        let path = try saved(store, ["one:1"], format)
        let transport = format == .oci ? "oci-archive" : "docker-archive"
        let place = "\(path):docker.io/library/one:1"
        let back = scratch.path + "/back-" + format.rawValue
        try Tools.run("skopeo", "copy", "-q", "\(transport):\(place)", "oci:\(back):1")
        let image = try scratch.store("second").ensure(back)
        let known = try store.inspect("one:1")
        if format == .oci { #expect(image.digest == known.summary.digest) }
        #expect(
            try scratch.store("second").ensure(back).layers.count == known.layers.count)
        #expect(image.process.command == ["/bin/sh"])
    }

    @Test(
        "loads what skopeo writes", .enabled(if: Tools.has("skopeo"), "needs skopeo"),
        arguments: ["oci-archive", "docker-archive"])
    func skopeoWrites(transport: String) throws {
        let layout = try scratch.layout(TarBuilder.twoLayers())
        let path = scratch.path + "/theirs.tar"
        try Tools.run(
            "skopeo", "copy", "-q", "oci:\(layout):latest", "\(transport):\(path):mine/image:3")
        let loaded = try scratch.store().load(.file(path))
        #expect(loaded.map(\.reference) == ["docker.io/mine/image:3"])
        #expect(loaded[0].layers.count == 2 && loaded[0].process.command == ["/bin/sh"])
    }

    @Test(
        "podman loads what is saved, and what it saves is loaded",
        .enabled(if: Tools.isRoot && Tools.has("podman"), "needs root and podman"),
        arguments: ArchiveFormat.allCases)
    func podman(format: ArchiveFormat) throws {
        let store = try store(with: "one:1", "two:2")
        let podman = Podman()
        let path = try saved(store, format == .oci ? ["one:1"] : ["one:1", "two:2"], format)
        try podman("load", "-q", "-i", path)
        let names = try podman("images", "--format", "{{.Repository}}:{{.Tag}}")
        #expect(names.contains("docker.io/library/one:1"))
        #expect(names.contains("docker.io/library/two:2") == (format == .docker))
        let back = scratch.path + "/podman.tar"
        try podman(
            "save", "-q", "--format", format == .oci ? "oci-archive" : "docker-archive", "-o", back,
            "docker.io/library/one:1")
        let other = scratch.store("second")
        let loaded = try other.load(.file(back))
        #expect(loaded.map(\.reference) == ["docker.io/library/one:1"])
        #expect(
            try other.inspect("one:1").layers.map(\.diffID)
                == store.inspect("one:1").layers.map(\.diffID))
    }

    // MARK: Forms of docker archives

    /// A docker archive's folder, whose layers' files are made by `write`.
    private func dockerArchive(
        configName: String? = nil, _ write: (String, [UInt8], Int) throws -> String
    ) throws -> String {
        let folder = scratch.path + "/docker-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        var names: [String] = []
        for (index, layer) in TarBuilder.twoLayers().enumerated() {
            names.append(try write(folder, layer, index))
        }
        let config = try DocumentEncoder.bytes(
            ImageConfig(platform: .current, diffIDs: TarBuilder.twoLayers().map { digestOf($0) }))
        let name = configName ?? digestOf(config).hex + ".json"
        try Data(config).write(to: URL(fileURLWithPath: folder + "/" + name))
        let saved = [SavedImage(config: name, repoTags: ["one:1"], layers: names)]
        try Data(DocumentEncoder.bytes(saved)).write(
            to: URL(fileURLWithPath: folder + "/manifest.json"))
        return folder
    }

    private func file(_ folder: String, _ name: String, _ bytes: [UInt8]) throws {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test(
        "layers may be compressed, and stand behind links",
        arguments: ["plain", "gzip", "zstd", "links"])
    func dockerLayers(form: String) throws {
        let folder = try dockerArchive { folder, layer, index in
            let name = "\(index)/layer.tar"
            switch form {
            case "gzip": try file(folder, name, try scratch.gzip(layer))
            case "zstd":
                try file(folder, name + ".plain", layer)
                try Tools.run(
                    "zstd", "-q", "--rm", folder + "/" + name + ".plain", "-o", folder + "/" + name)
            case "links":
                try file(folder, "layer-\(index).tar", layer)
                try FileManager.default.createDirectory(
                    atPath: folder + "/\(index)", withIntermediateDirectories: true)
                symlink("../layer-\(index).tar", folder + "/" + name)
            default: try file(folder, name, layer)
            }
            return name
        }
        let store = scratch.store()
        let loaded = try store.load(.file(try tar(folder)))
        #expect(loaded.map(\.reference) == ["docker.io/library/one:1"])
        let layers = try store.inspect("one:1").layers
        #expect(layers.map(\.diffID) == TarBuilder.twoLayers().map { digestOf($0).description })
        let type = form == "zstd" ? MediaType.layerZstd : MediaType.layerGzip
        #expect(layers.map(\.mediaType) == [type, type])
    }

    // MARK: What is refused

    @Test("an image without a name wants one")
    func nameless() throws {
        let path = try tar(try scratch.layout(TarBuilder.twoLayers()))
        let store = scratch.store()
        let error = #expect(throws: ImageError.self) { try store.load(.file(path)) }
        #expect(error?.kind == .malformed && error?.hint?.contains("--tag") == true)
        #expect(try store.load(.file(path), tag: "given:1").count == 1)
        #expect(store.list().map(\.reference) == ["docker.io/library/given:1"])
    }

    @Test("an archive for another machine is refused, and says for which it is")
    func otherArchitecture() throws {
        let store = scratch.store()
        let foreign = Platform(os: "linux", architecture: "s390x")
        var options = PullOptions()
        options.platform = foreign
        _ = try store.importImage(
            try scratch.file("root.tar", TarBuilder.twoLayers()[0]), tag: "far:1", options: options)
        for format in ArchiveFormat.allCases {
            let path = try saved(store, ["far:1"], format)
            let other = scratch.store("second")
            let error = #expect(throws: ImageError.self) { try other.load(.file(path)) }
            #expect(
                error?.kind == .unsupported && error?.reason.contains("s390x") == true,
                "\(String(describing: error))")
            #expect(other.list().isEmpty)
            #expect(try other.load(.file(path), options: options).count == 1)
            _ = try other.remove("far:1")
        }
    }

    @Test(
        "an archive that was cut short is refused", arguments: [600, 3000, 5000],
        ArchiveFormat.allCases)
    func truncated(size: Int, format: ArchiveFormat) throws {
        let path = try saved(try store(with: "one:1"), ["one:1"], format)
        truncate(path, off_t(size))
        let store = scratch.store("second")
        let error = #expect(throws: ImageError.self) { try store.load(.file(path)) }
        #expect(
            [.corrupt, .unsupported].contains(error?.kind), "\(String(describing: error))")
        #expect(store.list().isEmpty)
    }

    @Test("a wrong digest is refused", arguments: ["layer", "config", "manifest"])
    func wrongDigest(part: String) throws {
        let layout = try scratch.layout(TarBuilder.twoLayers())
        let blobs = layout + "/blobs/sha256/"
        let names = try FileManager.default.contentsOfDirectory(atPath: blobs)
        let sizes = try names.map {
            (try Data(contentsOf: URL(fileURLWithPath: blobs + $0)), $0)
        }
        let found = try #require(
            sizes.first { data, _ in
                switch part {
                case "layer": data.first == 0x1f
                case "config": String(decoding: data, as: UTF8.self).contains("diff_ids")
                default: String(decoding: data, as: UTF8.self).contains("\"layers\":")
                }
            })
        var bytes = Array(found.0)
        bytes[bytes.count - 9] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: blobs + found.1))
        let store = scratch.store()
        let error = #expect(throws: ImageError.self) {
            try store.load(.file(try tar(layout)), tag: "one:1")
        }
        #expect(error?.kind == .corrupt, "\(String(describing: error))")
        #expect(store.list().isEmpty)
    }

    @Test("a layer or configuration that is not what a docker archive says is refused")
    func wrongDockerDigest() throws {
        let store = scratch.store()
        let wrongLayer = try dockerArchive { folder, layer, index in
            var layer = layer
            if index == 1 { layer[600] ^= 1 }
            try file(folder, "\(index).tar", layer)
            return "\(index).tar"
        }
        let first = #expect(throws: ImageError.self) {
            try store.load(.file(try tar(wrongLayer)))
        }
        #expect(first?.kind == .corrupt && first?.subject.contains("1.tar") == true)
        let name = String(repeating: "0", count: 64) + ".json"
        let wrongConfig = try dockerArchive(configName: name) { folder, layer, index in
            try file(folder, "\(index).tar", layer)
            return "\(index).tar"
        }
        let second = #expect(throws: ImageError.self) {
            try store.load(.file(try tar(wrongConfig, "second.tar")))
        }
        #expect(second?.kind == .corrupt)
        #expect(store.list().isEmpty)
    }

    @Test(
        "names that lead out of an archive are refused",
        arguments: ["../outside.tar", "a/../../outside.tar", "/outside.tar", ""])
    func escapes(name: String) throws {
        _ = try scratch.file("outside.tar", TarBuilder.twoLayers()[0])
        let folder = try dockerArchive { _, _, _ in name }
        let error = #expect(throws: ImageError.self) {
            try scratch.store().load(.file(try tar(folder)))
        }
        #expect(error?.kind == .hostile, "\(String(describing: error))")
    }

    @Test("links that lead out of an archive lead nowhere")
    func links() throws {
        let outside = try scratch.file("outside.tar", TarBuilder.twoLayers()[0])
        let folder = try dockerArchive { folder, layer, index in
            symlink(outside, folder + "/\(index).tar")
            return "\(index).tar"
        }
        #expect(throws: ImageError.self) { try scratch.store().load(.file(try tar(folder))) }
    }

    @Test("an archive whose entry leads out of it is refused")
    func entryEscapes() throws {
        var archive = TarBuilder()
        archive.file("../oci-layout", "{}")
        let path = try scratch.file("bad.tar", archive.archive)
        let error = #expect(throws: ImageError.self) { try scratch.store().load(.file(path)) }
        #expect(error?.kind == .hostile && error?.subject.contains("oci-layout") == true)
    }

    @Test("a root filesystem is no archive of images, and the error says what takes it")
    func noImages() throws {
        let path = try scratch.file("root.tar", TarBuilder.twoLayers()[0])
        let error = #expect(throws: ImageError.self) { try scratch.store().load(.file(path)) }
        #expect(error?.kind == .unsupported && error?.hint?.contains("import") == true)
    }

    @Test("where a blob is missing nothing is left of the archive")
    func nothingLeft() throws {
        let store = try store(with: "one:1")
        let layer = try #require(try store.inspect("one:1").layers.last).digest.dropFirst(7)
        unlink(scratch.path + "/first/blobs/sha256/" + layer)
        for format in ArchiveFormat.allCases {
            let path = scratch.path + "/out.tar"
            #expect(throws: ImageError.self) {
                try store.save(["one:1"], to: .file(path), format: format)
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
            #expect(!names.contains { $0.hasPrefix("out.tar") })
        }
    }
}
