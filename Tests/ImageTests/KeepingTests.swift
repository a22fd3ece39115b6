import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// What stays in the store, through reboots, removals and pulls of other things.
@Suite("What the store keeps")
struct KeepingTests {
    private func archive(_ name: String, _ text: String = "x") -> [UInt8] {
        var tar = TarBuilder()
        tar.file(name, text)
        return tar.archive
    }

    /// As if the machine had gone down before a flush, and come up again.
    private func reboot(_ layers: [String]) throws {
        for layer in layers {
            try "another boot".write(
                toFile: layer + ".unsynced", atomically: true, encoding: .utf8)
        }
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    @Test("a flush makes layers of this boot trusted, and leaves those of an earlier one in doubt")
    func flush() throws {
        let scratch = try Scratch()
        let store = scratch.store(flushes: false)
        let image = try store.importImage(
            try scratch.layout([archive("a"), archive("b")]), tag: "image:1")
        try reboot([image.layers[0]])
        store.flush()
        #expect(exists(image.layers[0] + ".unsynced"))
        #expect(!exists(image.layers[1] + ".unsynced"))
    }

    @Test(
        "after a reboot an image is unpacked again from its blobs, and no registry is asked",
        arguments: [PullPolicy.missing, .never])
    func reboot(policy: PullPolicy) throws {
        let scratch = try Scratch()
        let store = scratch.store(flushes: false)
        // Nothing listens there.
        let name = "127.0.0.1:1/mine:1"
        let image = try store.importImage(try scratch.layout([archive("a", "kept")]), tag: name)
        try Data().write(to: URL(fileURLWithPath: image.layers[0] + "/a"))
        try reboot(image.layers)
        #expect(try store.ensure(name, options: PullOptions(policy: policy)) == image)
        #expect(try String(contentsOfFile: image.layers[0] + "/a", encoding: .utf8) == "kept")
    }

    @Test(
        "a blob that a crash cut short, or filled with zeros, is fetched again",
        arguments: [false, true])
    func damagedBlob(isWhole: Bool) throws {
        let scratch = try Scratch()
        let small = try SmallImage(scratch)
        let registry = try FakeRegistry { request, _ in small.answer(request) }
        defer { registry.close() }
        let store = scratch.store(flushes: false)
        let name = "\(registry.host)/team/image:1"
        let image = try store.ensure(name)
        let blob = scratch.path + "/data/blobs/sha256/" + small.layerDigest.hex
        let size = isWhole ? small.layer.count : 10
        try Data(count: size).write(to: URL(fileURLWithPath: blob))
        try reboot(image.layers)
        #expect(try store.ensure(name, options: PullOptions(policy: .always)) == image)
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: blob))) == small.layer)
    }

    @Test(
        "a removal keeps what other images need: of other platforms, used by path, pinned by jobs")
    func removal() throws {
        let scratch = try Scratch()
        let small = try SmallImage(scratch)
        let other = try SmallImage(scratch, size: 2000)
        let registry = try FakeRegistry { request, before in
            if request.path == small.manifestPath, before > 0 {
                return FakeRegistry.Answer(
                    headers: [("Content-Type", MediaType.manifest)], body: other.manifest)
            }
            let answer = small.answer(request)
            return answer.status == 404 ? other.answer(request) : answer
        }
        defer { registry.close() }
        let store = scratch.store()
        let name = "\(registry.host)/team/image:1"
        let pinned = try store.ensurePinned(name)
        let moved = try store.ensure(name, options: PullOptions(policy: .always))
        #expect(pinned.layers != moved.layers)
        let path = try scratch.layout([archive("by-path")], name: "by-path")
        let used = try store.ensure(path)
        let foreign = Platform(os: "linux", architecture: "riscv64")
        var options = PullOptions()
        options.platform = foreign
        let far = try store.importImage(
            try scratch.file("root.tar", archive("far")), tag: "far:1", options: options)
        _ = try store.importImage(
            try scratch.layout([archive("gone")], name: "gone"), tag: "gone:1")

        #expect(try store.remove("gone:1").layers == 1)
        for layer in pinned.layers + moved.layers + used.layers + far.layers {
            #expect(exists(layer))
        }
        #expect(store.list().map(\.reference).contains("docker.io/library/far:1"))
        #expect(try store.inspect("far:1").summary.platform == foreign.description)

        let freed = try store.remove(name)
        #expect(freed.layers == 2, "the tag, and what was pinned of it")
        #expect(!exists(pinned.layers[0]) && !exists(moved.layers[0]))
    }

    @Test("a pin is listed only once its tag means something else")
    func pinsInList() throws {
        let scratch = try Scratch()
        let store = scratch.store()
        let one = try store.importImage(
            try scratch.layout([archive("a")], name: "a"), tag: "image:1")
        _ = try store.ensurePinned("image:1")
        #expect(store.list().map(\.reference) == ["docker.io/library/image:1"])
        _ = try store.importImage(try scratch.layout([archive("b")], name: "b"), tag: "image:1")
        #expect(
            store.list().map(\.reference) == [
                "docker.io/library/image:1", "docker.io/library/image:1@\(one.digest ?? "")",
            ])
    }

    @Test("while an image's documents are damaged nothing is dropped, and it is named")
    func damagedDocuments() throws {
        let scratch = try Scratch()
        let store = scratch.store()
        let damaged = try store.importImage(
            try scratch.layout([archive("a")], name: "a"), tag: "damaged:1")
        _ = try store.importImage(try scratch.layout([archive("b")], name: "b"), tag: "gone:1")
        let manifest = try #require(damaged.digest).dropFirst("sha256:".count)
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/data/blobs/sha256/\(manifest)"))
        let freed = try store.remove("gone:1")
        #expect(freed.layers == 0 && freed.damaged == ["docker.io/library/damaged:1"])
        #expect(exists(damaged.layers[0]))
        #expect(store.list().map(\.isComplete) == [false])
        #expect(try store.remove("damaged:1").layers == 2)
    }

    @Test("an OCI archive is imported with its blobs, although a path unpacked its layers before")
    func importArchive() throws {
        let scratch = try Scratch()
        let layout = try scratch.layout([archive("a"), archive("b")])
        let store = scratch.store()
        let used = try store.ensure(layout)
        let file = scratch.path + "/oci.tar"
        try Tools.run("tar", "-C", layout, "-cf", file, "oci-layout", "index.json", "blobs")
        let imported = try store.importImage(file, tag: "mine:1")
        #expect(imported.layers == used.layers)
        for layer in try store.inspect("mine:1").layers {
            #expect(exists(scratch.path + "/data/blobs/sha256/" + layer.digest.dropFirst(7)))
        }
    }

    @Test("a pull keeps the blob also of a layer that was unpacked from another one")
    func recompressed() throws {
        let scratch = try Scratch()
        let small = try SmallImage(scratch)
        let registry = try FakeRegistry { request, _ in small.answer(request) }
        defer { registry.close() }
        let store = scratch.store()
        let plain = scratch.path + "/plain.tar"
        let blob = try scratch.file("layer.tar.gz", small.layer)
        try Tools.run("sh", "-c", "gzip -dc '\(blob)' > '\(plain)'")
        let here = try store.ensure(plain)
        let image = try store.ensure("\(registry.host)/team/image:1")
        #expect(image.layers == here.layers)
        #expect(exists(scratch.path + "/data/blobs/sha256/" + small.layerDigest.hex))
    }

    @Test("a blob with other content is not kept for a layer that is here")
    func wrongBlob() throws {
        let scratch = try Scratch()
        let small = try SmallImage(scratch)
        let wrong = [UInt8](small.layer.reversed())
        let registry = try FakeRegistry { request, _ in
            request.path == small.blobPath ? .blob(wrong, for: request) : small.answer(request)
        }
        defer { registry.close() }
        let store = scratch.store()
        let plain = scratch.path + "/plain.tar"
        let blob = try scratch.file("layer.tar.gz", small.layer)
        try Tools.run("sh", "-c", "gzip -dc '\(blob)' > '\(plain)'")
        _ = try store.ensure(plain)
        let error = #expect(throws: ImageError.self) {
            try store.ensure("\(registry.host)/team/image:1")
        }
        #expect(error?.kind == .corrupt, "\(String(describing: error))")
        #expect(!exists(scratch.path + "/data/blobs/sha256/" + small.layerDigest.hex))
    }

    @Test("nobody but the owner enters the store, one that was open before included")
    func isPrivate() throws {
        let scratch = try Scratch()
        let layers = scratch.path + "/data/user-layers"
        try FileManager.default.createDirectory(atPath: layers, withIntermediateDirectories: true)
        chmod(layers, 0o755)
        var tar = TarBuilder()
        tar.file("su", "x", mode: 0o4755)
        let image = try scratch.store(form: .user).ensure(try scratch.layout([tar.archive]))
        #expect(image.layers[0].hasPrefix(layers))
        for folder in ["user-layers", "staging", "blobs/sha256", "references"] {
            var status = stat()
            #expect(stat(scratch.path + "/data/" + folder, &status) == 0)
            #expect(status.st_mode & 0o077 == 0, "\(folder)")
        }
    }

    @Test(
        "an archive that would have files outside of it read, or block its reader, is refused",
        arguments: ["link", "fifo"])
    func hostileArchive(kind: String) throws {
        let scratch = try Scratch()
        let layout = try scratch.layout([archive("a")])
        let index = try Data(contentsOf: URL(fileURLWithPath: layout + "/index.json"))
        let outside = try scratch.file("outside.json", Array(index))
        unlink(layout + "/index.json")
        if kind == "link" {
            symlink(outside, layout + "/index.json")
        } else {
            mkfifo(layout + "/index.json", 0o644)
        }
        let file = scratch.path + "/oci.tar"
        try Tools.run("tar", "-C", layout, "-cf", file, "oci-layout", "index.json", "blobs")
        // What is no layout is a root filesystem.
        let image = try scratch.store().ensure(file)
        #expect(exists(image.layers[0] + "/oci-layout"))
        #expect(image.process.command.isEmpty)
    }
}
