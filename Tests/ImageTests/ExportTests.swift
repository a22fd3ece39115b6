import CLinux
import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers

/// The root filesystem of an image as one archive.
@Suite("Export")
struct ExportTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func exported(_ layers: [TarBuilder], form: OverlayForm? = nil) throws -> String {
        let store = scratch.store(form: form)
        _ = try store.importImage(try scratch.layout(layers.map(\.archive)), tag: "image:1")
        let path = scratch.path + "/root.tar"
        try store.export("image:1", to: .file(path))
        return path
    }

    @Test(
        "is what umoci unpacks",
        .enabled(if: Tools.isRoot && Tools.has("umoci"), "needs root and umoci"),
        arguments: 0..<6)
    func judged(seed: UInt64) throws {
        var random = SeededGenerator(seed: 100 + seed)
        var layers = RandomLayers.make(count: 4, &random)
        var last = TarBuilder()
        last.directory("set")
        last.file("set/uid", "x", mode: 0o4755, uid: 1000, gid: 3_000_000)
        last.hardLink("set/same", to: "set/uid", mode: 0o4755, uid: 1000, gid: 3_000_000)
        last.link("set/link", to: String(repeating: "long/", count: 40))
        last.pax([("SCHILY.xattr.user.note", Array("kept".utf8))])
        last.file("set/noted", "n")
        var device = TarBuilder.Header("set/null", type: "3")
        (device.major, device.minor, device.mode) = (1, 3, 0o666)
        last.add(device)
        last.add(TarBuilder.Header("set/pipe", type: "6"))
        var odd = TarBuilder.Header("")
        odd.name = Array("set/".utf8) + [0xff, 0x01, 0xc3]
        last.add(odd, [7])
        last.pax([("path", Array(("set/" + String(repeating: "n", count: 200)).utf8))])
        last.file("set/short", "long name")
        layers.append(last)
        let path = try exported(layers)
        let ours = scratch.path + "/ours"
        try FileManager.default.createDirectory(atPath: ours, withIntermediateDirectories: true)
        try Tools.run("tar", "-C", ours, "--xattrs", "--xattrs-include=*", "-xpf", path)
        try Tools.run(
            "umoci", "unpack", "--image", "\(scratch.path)/layout:latest", "\(scratch.path)/bundle")
        let theirs = try TreeListing(scratch.path + "/bundle/rootfs")
        let differences = try TreeListing(ours).differences(from: theirs)
        #expect(differences.isEmpty)
    }

    @Test("what a user exports has the owners that the image has")
    func owners() throws {
        var base = TarBuilder()
        base.directory("home")
        base.file("home/a", "a", uid: 1000, gid: 100)
        base.file("home/b", "b", uid: 7, gid: 8)
        var top = TarBuilder()
        top.file("home/b", "B", uid: 9, gid: 10)
        let path = try exported([base, top], form: .user)
        let listed = try Tools.run("tar", "--numeric-owner", "-tvf", path)
        func owner(_ name: String) -> String? {
            listed.split(separator: "\n").first { $0.hasSuffix(" " + name) }?
                .split(separator: " ")[1].description
        }
        #expect(owner("home/a") == "1000/100" && owner("home/b") == "9/10")
        #expect(owner("home/") == "0/0")
    }

    @Test("what not even its owner may read is exported, too")
    func unreadable() throws {
        var tar = TarBuilder()
        tar.file("a", "one", mode: 0o200)
        tar.file("shadow", "secret", mode: 0, gid: 42)
        let path = try exported([tar], form: .user)
        #expect(try Tools.run("tar", "-xOf", path, "shadow") == "secret")
        #expect(try Tools.run("tar", "-tvf", path, "shadow").hasPrefix("----------"))
    }

    @Test("file capabilities go along", .enabled(if: Tools.isRoot, "needs root"))
    func capabilities() throws {
        // VFS_CAP_REVISION_2, CAP_NET_BIND_SERVICE permitted and effective.
        let value: [UInt8] = [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)
        var tar = TarBuilder()
        tar.pax([("SCHILY.xattr.security.capability", value)])
        tar.file("ping", "x", mode: 0o755)
        let path = try exported([tar])
        let text = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(text.firstRange(of: Data("SCHILY.xattr.security.capability=".utf8) + value) != nil)
    }

    @Test("an export is imported again as the same tree")
    func again() throws {
        var base = TarBuilder()
        base.directory("etc")
        base.file("etc/one", "1")
        var top = TarBuilder()
        top.file("etc/.wh.one")
        top.file("etc/two", "2")
        let path = try exported([base, top])
        let image = try scratch.store("second").importImage(path, tag: "flat:1")
        #expect(image.layers.count == 1)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: image.layers[0] + "/etc") == ["two"]
        )
    }

    @Test("files of eight gigabytes and more, and ids beyond ustar's, are told in full")
    func largeNumbers() throws {
        let path = scratch.path + "/large.tar"
        let file = open(path, O_RDWR | O_CREAT, 0o600)
        defer { close(file) }
        let tar = TarWriter(descriptor: file)
        var entry = TarEntry(
            kind: .directory, path: Array("d/".utf8), mode: 0o755, uid: 4_000_000_000,
            gid: 2_097_152)
        entry.modified.seconds = 10_000_000_000
        try tar.add(entry)
        try tar.finish()
        let listed = try Tools.run("tar", "--numeric-owner", "--utc", "-tvf", path)
        #expect(listed.contains("4000000000/2097152") && listed.contains("2286-11-20"))
    }
}
