import Foundation
import OCISpec
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

/// What is pushed and copied, judged by a real registry and by those who pull from it.
@Suite(
    "Pushing to docker-registry",
    .enabled(if: Tools.has("docker-registry", "skopeo"), "needs docker-registry and skopeo"))
struct LivePushTests {
    private let scratch: Scratch
    private let registry: LiveRegistry

    init() throws {
        scratch = try Scratch()
        registry = try LiveRegistry(scratch)
    }

    private func digest(_ name: String, _ more: String...) throws -> String {
        try Tools.run(
            ["skopeo", "inspect", "--tls-verify=false"] + more
                + ["--format", "{{.Digest}}", "docker://\(registry.host)/\(name)"]
        ).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("a second repository of the registry has its layers mounted")
    func mounts() throws {
        let store = scratch.store()
        let layout = try scratch.layout(TarBuilder.twoLayers())
        let first = "\(registry.host)/base/image:1"
        let imported = try store.importImage(layout, tag: first)
        _ = try store.push(first)
        let states = Mutex<[TransferProgress.State: Int]>([:])
        let second = "\(registry.host)/mine/image:1"
        let digest = try store.push(first, to: second) { progress in
            guard !progress.isDocument else { return }
            states.withLock { $0[progress.state, default: 0] += 1 }
        }
        #expect(digest == imported.digest)
        #expect(states.withLock { $0[.mounted] } == 3 && states.withLock { $0[.sent] } == nil)
        // What the store takes for a repository of this registry never was there: the mount opens an upload instead.
        var top = TarBuilder()
        top.file("new", "new")
        let other = try scratch.layout([top.archive], name: "other")
        for name in ["never/pushed", "fresh/other"] {
            _ = try store.importImage(other, tag: "\(registry.host)/\(name):2")
        }
        let fresh = try store.push("\(registry.host)/fresh/other:2")
        #expect(try self.digest("fresh/other:2") == fresh)
    }

    @Test("skopeo and podman pull what was pushed, and it is the same")
    func others() throws {
        let store = scratch.store()
        let layout = try scratch.layout(TarBuilder.twoLayers())
        let name = "\(registry.host)/team/image:1"
        let imported = try store.importImage(layout, tag: name)
        #expect(try store.push(name) == imported.digest)
        #expect(try digest("team/image:1") == imported.digest)
        let back = scratch.path + "/back"
        try Tools.run(
            "skopeo", "copy", "-q", "--src-tls-verify=false", "docker://\(name)",
            "oci:\(back):latest")
        try Tools.run("diff", "-r", layout + "/blobs", back + "/blobs")
        guard Tools.isRoot, Tools.has("podman") else { return }
        let podman = Podman()
        try podman("pull", "-q", "--tls-verify=false", name)
        let seen = try podman("image", "inspect", "--format", "{{.Digest}}", name)
        #expect(seen.hasPrefix(imported.digest ?? "none"))
    }

    @Test("pushes with a password, and says so where it has none")
    func password() throws {
        // bcrypt alone is taken.
        let hash = try Tools.run(
            "perl", "-e", #"print crypt("wonder", '$2y$05$' . 'a' x 22)"#)
        let users = try scratch.file("htpasswd", Array("alice:\(hash)\n".utf8))
        let own = try Scratch()
        let guarded = try LiveRegistry(
            own, more: "auth: {htpasswd: {realm: r, path: '\(users)'}}")
        let store = scratch.store()
        let name = "\(guarded.host)/team/image:1"
        let imported = try store.importImage(try scratch.layout(TarBuilder.twoLayers()), tag: name)
        let error = #expect(throws: ImageError.self) { try store.push(name) }
        #expect(error?.kind == .denied, "\(String(describing: error))")
        let folder = scratch.path + "/.config/containers"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let auth = Data("alice:wonder".utf8).base64EncodedString()
        try #"{"auths":{"\#(guarded.host)":{"auth":"\#(auth)"}}}"#.write(
            toFile: folder + "/auth.json", atomically: true, encoding: .utf8)
        #expect(try scratch.store().push(name) == imported.digest)
    }

    /// Two platforms under one name, made by skopeo and this client.
    private func pushIndex(_ name: String) throws -> Digest {
        let client = RegistryClient(settings: RegistrySettings())
        var entries: [Descriptor] = []
        for (architecture, layer) in zip(
            [Platform.current.architecture, "s390x"], TarBuilder.twoLayers())
        {
            let layout = try scratch.layout([layer], name: architecture) { _ in }
            try Tools.run(
                "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci:\(layout):latest",
                "docker://\(registry.host)/\(name):\(architecture)")
            let one = try client.manifest(
                try ImageReference("\(registry.host)/\(name):\(architecture)"))
            entries.append(
                Descriptor(
                    mediaType: MediaType.manifest, digest: digestOf(one.bytes),
                    size: Int64(one.bytes.count),
                    platform: Platform(os: "linux", architecture: architecture)))
        }
        let bytes = try DocumentEncoder.bytes(Index(manifests: entries))
        try client.putManifest(
            try ImageReference("\(registry.host)/\(name):all"), bytes, mediaType: MediaType.index)
        return digestOf(bytes)
    }

    @Test(
        "copies between registries keep digests, of one platform or of all",
        arguments: [false, true])
    func copies(all: Bool) throws {
        let own = try Scratch()
        let other = try LiveRegistry(own)
        let index = try pushIndex("many/image")
        let store = scratch.store()
        let target = "\(other.host)/copied/image:1"
        let digest = try store.copy("\(registry.host)/many/image:all", to: target, all: all)
        #expect((digest == index.description) == all)
        let there = try Tools.run(
            "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://\(target)")
        #expect(digestOf(there.utf8).description == digest)
        try Tools.run(
            ["skopeo", "copy", "-q", "--src-tls-verify=false"] + (all ? ["--all"] : [])
                + ["docker://\(target)", "oci:\(scratch.path)/copied:1"])
        #expect(store.list().isEmpty, "nothing of it is kept here")
    }

    @Test("a copy within a registry moves no bytes of layers")
    func copyWithin() throws {
        let layout = try scratch.layout(TarBuilder.twoLayers())
        let store = scratch.store()
        let name = "\(registry.host)/base/image:1"
        _ = try store.copy("oci:\(layout):latest", to: name)
        let states = Mutex<Set<TransferProgress.State>>([])
        let digest = try store.copy(name, to: "\(registry.host)/other/image:1") { progress in
            if !progress.isDocument { states.withLock { _ = $0.insert(progress.state) } }
        }
        #expect(states.withLock { $0 } == [.waiting, .mounted])
        #expect(try self.digest("other/image:1") == digest)
    }
}
