import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// A docker-registry on a free loopback port, ended with the object.
final class LiveRegistry {
    let host: String
    let root: String
    private let process = Process()

    /// `more` stands at the end of its configuration.
    init(_ scratch: Scratch, more: String = "") throws {
        // The port is free until somebody takes it: it is taken a moment later.
        let probe = try FakeRegistry { _, _ in FakeRegistry.Answer() }
        host = probe.host
        probe.close()
        root = scratch.path + "/registry"
        let config = """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(root)}, delete: {enabled: true}}
            http: {addr: '\(host)'}
            \(more)
            """
        let path = try scratch.file("registry.yml", Array(config.utf8))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/docker-registry")
        process.arguments = ["serve", path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        try waitUntilUp()
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    /// The registry does not tell when it listens: asked until it answers.
    private func waitUntilUp() throws {
        let client = RegistryClient(settings: RegistrySettings())
        let reference = try ImageReference("\(host)/nothing:here")
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            do throws(RegistryError) {
                _ = try client.manifest(reference)
            } catch {
                if error.kind == .notFound || error.kind == .unauthorized { return }
            }
            usleep(20_000)
        }
        throw Tools.ToolFailure(command: ["docker-registry"], output: "it does not answer")
    }

    func blobFile(_ digest: Digest) -> String {
        "\(root)/docker/registry/v2/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data"
    }
}

@Suite(
    "Against docker-registry",
    .enabled(if: Tools.has("docker-registry", "skopeo"), "needs docker-registry and skopeo"))
struct LiveRegistryTests {
    private func layers() -> [[UInt8]] {
        var base = TarBuilder()
        base.directory("etc")
        base.file("etc/one", "1")
        base.file("etc/two", String(repeating: "two ", count: 50_000))
        var top = TarBuilder()
        top.file("etc/.wh.one")
        top.file("etc/three", "3")
        return [base.archive, top.archive]
    }

    private func shown(_ image: StoredImage) -> [String] {
        var names: Set<String> = []
        for layer in image.layers {
            names.formUnion(
                (try? FileManager.default.contentsOfDirectory(atPath: layer + "/etc")) ?? [])
        }
        return names.sorted()
    }

    @Test(
        "pulls what skopeo pushed: OCI gzip, OCI zstd, Docker schema 2",
        arguments: [
            ["--format", "oci"], ["--format", "oci", "--dest-compress-format", "zstd"],
            ["--format", "v2s2"],
        ])
    func formats(flags: [String]) throws {
        let scratch = try Scratch()
        let registry = try LiveRegistry(scratch)
        let layout = try scratch.layout(layers())
        try Tools.run(
            ["skopeo", "copy", "-q", "--dest-tls-verify=false"] + flags + [
                "oci:\(layout):latest", "docker://\(registry.host)/a/b:1",
            ])
        let store = scratch.store()
        let image = try store.ensure("\(registry.host)/a/b:1")
        #expect(image.layers.count == 2 && image.process.command == ["/bin/sh"])
        #expect(shown(image) == ["one", "three", "two"])
        let there = try Tools.run(
            "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}",
            "docker://\(registry.host)/a/b:1")
        #expect(image.digest == there.trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(
            try store.ensure("\(registry.host)/a/b:1", options: PullOptions(policy: .never))
                == image)
        #expect(
            try store.ensure("\(registry.host)/a/b@\(image.digest ?? "")").layers == image.layers)
    }

    @Test("chooses the platform from an index, and says what there is where it has none")
    func index() throws {
        let scratch = try Scratch()
        let registry = try LiveRegistry(scratch)
        let layout = try scratch.layout(layers())
        try Tools.run(
            "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci:\(layout):latest",
            "docker://\(registry.host)/a/b:1")
        let client = RegistryClient(settings: RegistrySettings())
        let one = try client.manifest(try ImageReference("\(registry.host)/a/b:1"))
        func entry(_ platform: Platform) -> Descriptor {
            Descriptor(
                mediaType: MediaType.manifest, digest: digestOf(one.bytes),
                size: Int64(one.bytes.count), platform: platform)
        }
        let unknown = Platform(os: "unknown", architecture: "unknown")
        for (tag, platforms) in [
            ("all", [unknown, .current]),
            ("other", [Platform(os: "linux", architecture: "s390x"), unknown]),
        ] {
            let bytes = try DocumentEncoder.bytes(Index(manifests: platforms.map(entry)))
            try client.putManifest(
                try ImageReference("\(registry.host)/a/b:\(tag)"), bytes, mediaType: MediaType.index
            )
        }
        let image = try scratch.store().ensure("\(registry.host)/a/b:all")
        #expect(image.digest == digestOf(one.bytes).description)
        let error = #expect(throws: ImageError.self) {
            try scratch.store("other").ensure("\(registry.host)/a/b:other")
        }
        #expect(
            error?.kind == .unsupported && error?.hint?.contains("linux/s390x") == true,
            "\(String(describing: error))")
    }

    @Test("a blob that rotted in the registry leaves nothing here")
    func rotten() throws {
        let scratch = try Scratch()
        let registry = try LiveRegistry(scratch)
        let layout = try scratch.layout(layers())
        try Tools.run(
            "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci:\(layout):latest",
            "docker://\(registry.host)/a/b:1")
        let digest = digestOf(try scratch.gzip(layers()[0]))
        let path = registry.blobFile(digest)
        var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
        bytes[bytes.count / 2] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: ImageError.self) {
            try scratch.store().ensure("\(registry.host)/a/b:1")
        }
        #expect(
            error?.kind == .corrupt && error?.subject.contains(digest.short) == true,
            "\(String(describing: error))")
        RegistryTests.expectNothing(scratch)
    }

    @Test(
        "imports a root filesystem, pushes it, and others get the same back",
        arguments: [true, false])
    func importAndPush(isCompressed: Bool) throws {
        let scratch = try Scratch()
        let registry = try LiveRegistry(scratch)
        let archive = layers()[0]
        let file = try scratch.file("root.tar", isCompressed ? try scratch.gzip(archive) : archive)
        let store = scratch.store()
        let name = "\(registry.host)/mine/root:1"
        let imported = try store.importImage(file, tag: name)
        #expect(try store.push(name) == imported.digest)
        #expect(try store.push(name, to: "\(registry.host)/yours/root:2") == imported.digest)
        try Tools.run(
            "skopeo", "copy", "-q", "--src-tls-verify=false",
            "docker://\(registry.host)/yours/root:2", "oci:\(scratch.path)/back:latest")
        let back = try scratch.store("second").ensure(scratch.path + "/back")
        #expect(back.digest == imported.digest && shown(back) == ["one", "two"])
        #expect(store.list().map(\.reference) == [try ImageReference(name).description])
        #expect(try store.inspect(name).layers.count == 1)
        let again = try store.importImage(file, tag: name)
        #expect(again == imported, "the same file makes the same image")
    }

    @Test("removal drops what nobody needs and keeps what is shared")
    func removal() throws {
        let scratch = try Scratch()
        let store = scratch.store()
        let all = layers()
        let both = try scratch.layout(all, name: "both")
        let base = try scratch.layout([all[0]], name: "base")
        let first = try store.importImage(both, tag: "both:1")
        let second = try store.importImage(base, tag: "base:1")
        #expect(first.layers[0] == second.layers[0], "one directory serves both")
        let freed = try store.remove("both:1")
        #expect(freed.layers == 1)
        #expect(FileManager.default.fileExists(atPath: second.layers[0]))
        #expect(!FileManager.default.fileExists(atPath: first.layers[1]))
        #expect(store.list().map(\.reference) == ["docker.io/library/base:1"])
        _ = try store.remove("base:1")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/data/blobs/sha256")
                .isEmpty)
        #expect(throws: ImageError.self) { try store.remove("base:1") }
    }
}
