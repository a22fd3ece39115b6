import CLinux
import Foundation
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers

@Suite("Where root's means are missing")
struct UserFormTests {
    private func layers() -> [[UInt8]] {
        var base = TarBuilder()
        base.directory("etc")
        base.file("etc/owned", "o", mode: 0o640, uid: 1234, gid: 42)
        base.file("etc/gone", "g")
        base.directory("app")
        base.file("app/hidden", "h")
        var device = TarBuilder.Header("null", type: "3")
        (device.major, device.minor) = (1, 3)
        base.add(device)
        base.directory("locked", mode: 0o555)
        base.file("locked/inside", "i")
        var top = TarBuilder()
        top.file("etc/.wh.gone")
        top.directory("app")
        top.file("app/.wh..wh..opq")
        top.file("app/shown", "s")
        return [base.archive, top.archive]
    }

    @Test("the user form marks by user.overlay, keeps no owners and makes no devices")
    func userForm() throws {
        let scratch = try Scratch()
        let image = try scratch.store(form: .user).ensure(try scratch.layout(layers()))
        let (base, top) = (image.layers[0], image.layers[1])
        #expect(base.contains("/user-layers/"))
        var status = stat()
        #expect(
            stat(base + "/etc/owned", &status) == 0 && status.st_uid == geteuid()
                && status.st_mode & 0o7777 == 0o640)
        #expect(lstat(base + "/null", &status) != 0)
        #expect(lstat(top + "/etc/gone", &status) == 0 && Raw.isWhiteout(status))
        var value: UInt8 = 0
        #expect(
            getxattr(top + "/app", "user.overlay.opaque", &value, 1) == 1
                && value == UInt8(ascii: "y"))
        #expect(getxattr(top + "/app", "trusted.overlay.opaque", &value, 1) < 0)
    }

    @Test(
        "the kernel shows the user form as it shows root's",
        .enabled(if: Tools.isRoot && Tools.has("mount"), "needs root"))
    func mounted() throws {
        let scratch = try Scratch()
        let image = try scratch.store(form: .user).ensure(try scratch.layout(layers()))
        let names = try OverlayMount.listing(image.layers, scratch, form: .user).nodes.keys.sorted()
        #expect(names == ["app", "app/shown", "etc", "etc/owned", "locked", "locked/inside"])
    }

    @Test("whose a file was is recorded where it cannot be given away, also in a copy")
    func owners() throws {
        let scratch = try Scratch()
        let base = layers()[0]
        var top = TarBuilder()
        var link = TarBuilder.Header("linked", type: "1")
        (link.mode, link.uid, link.gid) = (0o640, 1234, 42)
        link.link = Array("etc/owned".utf8)
        top.add(link)
        top.directory("owned-directory", mode: 0o2750)
        let archives = [base, top.archive]
        let image = try scratch.store(form: .user).ensure(try scratch.layout(archives))
        for name in ["0/etc/owned", "1/etc/owned", "1/linked"] {
            let path = image.layers[name.hasPrefix("0") ? 0 : 1] + name.dropFirst()
            let record = TreeListing.attributes(Array(path.utf8).cName)[LayerWriter.ownerRecord]
            #expect(record == Array("1234:42:640".utf8), "\(name)")
        }
        #expect(TreeListing.attributes(Array((image.layers[0] + "/etc").utf8).cName) == [:])
    }

    @Test(
        "an ordinary user has the image without its devices and capabilities, and is told so",
        .enabled(if: Tools.isRoot, "needs root"))
    func ordinaryUser() async throws {
        let scratch = try Scratch()
        var tar = LayerCase.attributes()
        var device = TarBuilder.Header("dev/null", type: "3")
        (device.major, device.minor) = (1, 3)
        tar.add(device)
        tar.hardLink("dev/zero", to: "dev/null")
        let layout = try scratch.layout([tar.archive])
        let data = scratch.path + "/theirs"
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        chmod(data, 0o777)
        chmod(scratch.path, 0o755)
        await #expect(processExitsWith: .success) {
            [data = data as String, layout = layout as String] in
            let nobody: uid_t = 65_534
            try #require(setgid(nobody) == 0 && setuid(nobody) == 0)
            let notes = Mutex<[String]>([])
            let image = try ImageStore(dataDirectory: data).ensure(layout) { progress in
                notes.withLock { $0 += progress.notes }
            }
            let said = notes.withLock { $0 }
            try #require(said.count == 2, "\(said)")
            try #require(said[0].hasPrefix("layer 1: without its 2 devices (dev/null, dev/zero)"))
            try #require(said[1].hasPrefix("layer 1: without the capabilities of 1 files"))
            let ping = TreeListing.attributes(Array((image.layers[0] + "/ping").utf8).cName)
            try #require(Array(ping.keys) == [LayerWriter.ownerRecord])
            let binary = TreeListing.attributes(Array((image.layers[0] + "/binary").utf8).cName)
            try #require(binary["user.binary"] == [0, 10, 255, 61])
        }
    }

    @Test(
        "a full disk is a clear error and leaves nothing",
        .enabled(if: Tools.isRoot && Tools.has("mount"), "needs root"))
    func diskFull() throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch, size: 3_000_000)
        let registry = try FakeRegistry { request, _ in image.answer(request) }
        defer { registry.close() }
        let data = scratch.path + "/data"
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        let name = "\(registry.host)/team/image:1"
        // Too small for the blob; then large enough for it, and not for what it unpacks to.
        for size in ["1m", "5m"] {
            try Tools.run("mount", "-t", "tmpfs", "-o", "size=\(size)", "tmpfs", data)
            defer { _ = try? Tools.run("umount", data) }
            let error = #expect(throws: ImageError.self) { try scratch.store().ensure(name) }
            #expect(
                error?.kind == .diskFull && error?.hint?.contains("free some space") == true,
                "\(String(describing: error))")
            RegistryTests.expectNothing(scratch)
        }
        #expect(try scratch.store().ensure(name).layers.count == 1)
    }

    @Test("a layer of a boot that never flushed it is unpacked again")
    func unflushed() throws {
        let scratch = try Scratch()
        let layout = try scratch.layout(layers())
        let image = try scratch.store().importImage(layout, tag: "image:1")
        let victim = image.layers[1] + "/app/shown"
        try Data().write(to: URL(fileURLWithPath: victim))
        try "another boot".write(
            toFile: image.layers[1] + ".unsynced", atomically: true, encoding: .utf8)
        #expect(try scratch.store().ensure(layout).layers == image.layers)
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "s")
    }
}
