import CLinux
import Foundation
import Testing

@testable import ImageStore
@testable import Layers

/// Layers that reach a directory by a link which only a lower layer has.
@Suite("Through links of lower layers")
struct LowerLinkTests {
    private func base() -> TarBuilder {
        var base = TarBuilder()
        base.directory("usr")
        base.directory("usr/lib")
        base.file("usr/lib/x", "x")
        base.file("usr/lib/y", "y")
        base.directory("usr/lib/deep")
        base.link("lib", to: "usr/lib")
        return base
    }

    private func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    private func isOpaque(_ path: String, _ form: OverlayForm) -> Bool {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        return form.isOpaque(descriptor)
    }

    /// The upper layer's directory.
    private func unpack(_ top: TarBuilder, _ scratch: Scratch, base: TarBuilder? = nil) throws
        -> String
    {
        let archives = [(base ?? self.base()).archive, top.archive]
        return try scratch.store(form: .user).ensure(try scratch.layout(archives)).layers[1]
    }

    @Test("a whiteout goes where the link leads")
    func whiteout() throws {
        let scratch = try Scratch()
        var top = TarBuilder()
        top.file("lib/.wh.x")
        top.file("lib/own/.wh.none")
        let layer = try unpack(top, scratch)
        #expect(status(layer + "/usr/lib/own/none") == nil, "it would show up in listings")
        #expect(status(layer + "/usr/lib/x").map(Raw.isWhiteout) == true)
        #expect(status(layer + "/lib") == nil)
    }

    @Test("an opaque mark goes along")
    func opaque() throws {
        let scratch = try Scratch()
        var top = TarBuilder()
        top.file("lib/.wh..wh..opq")
        top.file("lib/new", "n")
        let layer = try unpack(top, scratch)
        #expect(isOpaque(layer + "/usr/lib", .user))
        #expect(status(layer + "/usr/lib/new") != nil && status(layer + "/lib") == nil)
    }

    @Test("a whiteout never hides what its own layer has")
    func ownFiles() throws {
        let scratch = try Scratch()
        var top = TarBuilder()
        top.file("lib/.wh.x")
        top.file("lib/.wh.deep")
        top.file("usr/lib/x", "mine")
        top.file("usr/lib/deep/mine", "m")
        let layer = try unpack(top, scratch)
        #expect(try String(contentsOfFile: layer + "/usr/lib/x", encoding: .utf8) == "mine")
        #expect(status(layer + "/usr/lib/deep/mine") != nil)
        #expect(isOpaque(layer + "/usr/lib/deep", .user))
    }

    @Test("a directory that was replaced by a link meanwhile is never followed out of the layer")
    func escape() throws {
        let scratch = try Scratch()
        let outside = scratch.path + "/outside"
        try FileManager.default.createDirectory(
            atPath: outside + "/x", withIntermediateDirectories: true)
        try "kept".write(toFile: outside + "/x/kept", atomically: true, encoding: .utf8)
        var base = TarBuilder()
        base.directory("c")
        base.directory("c/b")
        base.directory("d")
        base.link("a", to: "c")
        base.link("c/b/x", to: "/d")
        var top = TarBuilder()
        top.file("c/b/x/f", "f")
        // Merged into `c`, it takes the place of `c/b`.
        top.link("a/b", to: outside)
        let layer = try unpack(top, scratch, base: base)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside + "/x") == ["kept"])
        #expect(status(layer + "/d/kept") == nil)
    }

    @Test("a hard link to a sparse file below copies its data and not its holes")
    func sparse() throws {
        let scratch = try Scratch()
        let length = 1 << 40
        var base = TarBuilder()
        base.pax([
            ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]),
            ("GNU.sparse.name", Array("huge".utf8)),
            ("GNU.sparse.realsize", Array("\(length)".utf8)),
        ])
        let map = "1\n4096\n4\n"
        base.file("huge", map + String(repeating: "\u{0}", count: 512 - map.count) + "data")
        var top = TarBuilder()
        top.hardLink("alias", to: "huge")
        let layer = try unpack(top, scratch, base: base)
        let copied = try #require(status(layer + "/alias"))
        #expect(Int(copied.st_size) == length)
        #expect(copied.st_blocks < 1000)
        let descriptor = open(layer + "/alias", O_RDONLY)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4)
        #expect(pread(descriptor, &bytes, 4, 4096) == 4 && bytes == Array("data".utf8))
    }
}
