import CLinux
import Foundation
import Testing

@testable import ImageStore
@testable import Layers

/// What a layer becomes where others differ or cannot be asked.
@Suite("Rules of layers")
struct LayerRuleTests {
    private func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    private func text(_ path: String) -> String? {
        try? String(contentsOfFile: path, encoding: .utf8)
    }

    /// The upper of two layers, as an ordinary user has it.
    private func upper(_ base: TarBuilder, _ top: TarBuilder, _ scratch: Scratch) throws -> String {
        try scratch.store(form: .user).ensure(try scratch.layout([base.archive, top.archive]))
            .layers[1]
    }

    @Test("what a hard link's entry says is said of the file that it shares")
    func hardLinkAttributes() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.file("file", "x", mode: 0)
        var link = TarBuilder.Header("link", type: "1")
        (link.mode, link.mtime, link.link) = (0o4755, 1_500_000_000, Array("file".utf8))
        tar.pax([("SCHILY.xattr.user.note", [1])])
        tar.add(link)
        // Some archives have such an entry.
        tar.hardLink("file", to: "./file", mode: 0o4711)
        let file = try #require(status(try scratch.unpack(tar.archive) + "/file"))
        #expect(file.st_mode & 0o7777 == 0o4711 && file.st_nlink == 2)
        #expect(file.st_mtim.tv_sec == 1_700_000_000)
    }

    @Test("hard links to one lower file share one copy, in the file's place where it can be seen")
    func lowerLinks() throws {
        let scratch = try Scratch()
        var base = TarBuilder()
        base.directory("d")
        for name in ["seen", "hidden", "replaced", "in-gone"] { base.file("d/" + name, name) }
        base.directory("gone")
        base.file("gone/x", "gone")
        var top = TarBuilder()
        for name in ["seen", "hidden", "replaced"] {
            top.hardLink(name + "-1", to: "d/" + name)
            top.hardLink(name + "-2", to: name + "-1")
        }
        top.file("d/.wh.hidden")
        top.file("d/replaced", "new")
        top.hardLink("from-gone", to: "gone/x")
        top.directory("gone")
        top.file("gone/.wh..wh..opq")
        let layer = try upper(base, top, scratch)
        #expect(status(layer + "/d/seen")?.st_nlink == 3)
        #expect(status(layer + "/d/hidden").map(Raw.isWhiteout) == true)
        #expect(text(layer + "/hidden-2") == "hidden" && status(layer + "/hidden-1")?.st_nlink == 2)
        #expect(text(layer + "/d/replaced") == "new" && text(layer + "/replaced-1") == "replaced")
        #expect(text(layer + "/from-gone") == "gone" && status(layer + "/gone/x") == nil)
    }

    @Test("the last entry of a name counts, also where one of them is a hard link to a lower file")
    func lowerLinkTwice() throws {
        let scratch = try Scratch()
        var base = TarBuilder()
        base.file("below", "below")
        var top = TarBuilder()
        top.file("first", "plain")
        top.hardLink("first", to: "below")
        top.hardLink("second", to: "below")
        top.file("second", "plain")
        top.hardLink("third", to: "below")
        top.directory("third")
        let layer = try upper(base, top, scratch)
        #expect(text(layer + "/first") == "below" && text(layer + "/second") == "plain")
        #expect(status(layer + "/third").map(Raw.isDirectory) == true)
    }

    @Test("whiteouts and marks below what this layer replaced are no error")
    func blockedWhiteouts() throws {
        let scratch = try Scratch()
        var base = TarBuilder()
        for name in ["a", "b"] {
            base.directory(name)
            base.file(name + "/x", "x")
        }
        var top = TarBuilder()
        top.file("a/.wh.x")
        top.file("a", "now a file")
        top.file("b/.wh..wh..opq")
        top.file("b", "now a file")
        let layer = try upper(base, top, scratch)
        #expect(text(layer + "/a") == "now a file" && text(layer + "/b") == "now a file")
    }

    @Test("a directory's own time and mode stand, whatever was settled in it")
    func settledDirectories() throws {
        let scratch = try Scratch()
        var base = TarBuilder()
        base.directory("usr")
        base.directory("usr/lib")
        base.file("usr/lib/x", "x")
        base.link("lib", to: "usr/lib")
        var top = TarBuilder()
        top.directory("own", mode: 0o555, mtime: 1_234_567_890)
        top.file("own/.wh.none")
        top.hardLink("own/linked", to: "usr/lib/x")
        top.directory("lib/deep", mode: 0o511, mtime: 1_234_567_891)
        top.file("lib/deep/file", "f")
        let layer = try upper(base, top, scratch)
        for (name, mode, time) in [
            ("own", UInt32(0o555), 1_234_567_890), ("usr/lib/deep", 0o511, 1_234_567_891),
        ] {
            let directory = try #require(status(layer + "/" + name))
            #expect(directory.st_mode & 0o7777 == mode && directory.st_mtim.tv_sec == time)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: layer + "/own") == ["linked"])
    }

    @Test("a layer with whiteouts serves only where it was unpacked")
    func whiteoutsAreBound() throws {
        let scratch = try Scratch()
        var with = TarBuilder()
        with.directory("d")
        with.file("d/x", "x")
        var without = TarBuilder()
        without.file("other", "o")
        var top = TarBuilder()
        top.directory("d")
        top.file("d/.wh.x")
        let store = scratch.store(form: .user)
        let first = try store.ensure(try scratch.layout([with.archive, top.archive], name: "one"))
        let second = try store.ensure(
            try scratch.layout([without.archive, top.archive], name: "two"))
        #expect(status(first.layers[1] + "/d/x").map(Raw.isWhiteout) == true)
        #expect(status(second.layers[1] + "/d/x") == nil, "it would show up in listings")
    }

    @Test("a directory that stands for a hidden one is as nobody said, whatever the umask is")
    func severedDirectory() throws {
        let scratch = try Scratch()
        var base = TarBuilder()
        base.directory("d", mode: 0o700)
        var top = TarBuilder()
        top.file(".wh.d")
        top.file("d/new", "n")
        let before = umask(0o077)
        defer { umask(before) }
        let directory = try #require(status(try upper(base, top, scratch) + "/d"))
        #expect(directory.st_mode & 0o7777 == 0o755 && directory.st_mtim.tv_sec == 0)
    }

    @Test("every name is made as its entry says, whatever the umask is")
    func umaskIsNothing() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.file("implied/file", "f", mode: 0o666)
        tar.directory("directory", mode: 0o777)
        var pipe = TarBuilder.Header("pipe", type: "6")
        pipe.mode = 0o622
        tar.add(pipe)
        let before = umask(0o077)
        defer { umask(before) }
        let root = try scratch.unpack(tar.archive)
        for (name, mode) in [
            ("implied", UInt32(0o755)), ("implied/file", 0o666), ("directory", 0o777),
            ("pipe", 0o622),
        ] {
            #expect(status(root + "/" + name).map { $0.st_mode & 0o7777 } == mode, "\(name)")
        }
    }

    @Test("the root's own entry gives it mode and time")
    func rootEntry() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.directory(".", mode: 0o751, mtime: 1_234_567_890)
        tar.file("x")
        let root = try #require(status(try scratch.unpack(tar.archive)))
        #expect(root.st_mode & 0o7777 == 0o751 && root.st_mtim.tv_sec == 1_234_567_890)
    }

    @Test("an archive that replaces its directories again and again is given up")
    func replacedAgain() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        for number in 0..<100 { tar.directory("d\(number)") }
        for _ in 0..<50 {
            tar.directory("again")
            tar.file("again", "x")
        }
        let error = #expect(throws: LayerError.self) {
            try scratch.unpack(tar.archive, limits: LayerLimits(entries: 201))
        }
        #expect(error?.kind == .hostile && error?.entry == Array("again".utf8))
        #expect(throws: Never.self) { try scratch.unpack(tar.archive) }
    }

    @Test("more entries than are allowed are refused")
    func entries() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        for number in 0..<11 { tar.file("f\(number)") }
        let error = #expect(throws: LayerError.self) {
            try scratch.unpack(tar.archive, limits: LayerLimits(entries: 10))
        }
        #expect(error?.kind == .hostile && error?.entry == Array("f10".utf8))
    }

    @Test("a tree deeper than there are descriptors is removed")
    func deepTree() throws {
        let scratch = try Scratch()
        var directory = open(scratch.path, O_RDONLY | O_DIRECTORY)
        for depth in 0..<3000 {
            mkdirat(directory, "d", 0o700)
            close(openat(directory, "f", O_CREAT | O_WRONLY, 0o600))
            if depth % 500 == 0 { mkdirat(directory, "moved-1", 0o000) }
            let next = openat(directory, "d", O_RDONLY | O_DIRECTORY)
            close(directory)
            directory = next
        }
        close(directory)
        try TreeRemoval.remove(path: scratch.path + "/d")
        #expect(status(scratch.path + "/d") == nil)
    }

    @Test(
        "a layer of nothing, and one without a byte, are layers", arguments: [0, 512, 1024, 10_240])
    func empty(size: Int) throws {
        let scratch = try Scratch()
        let root = try scratch.unpack([UInt8](repeating: 0, count: size))
        #expect(try FileManager.default.contentsOfDirectory(atPath: root).isEmpty)
    }

    @Test("sparse files in GNU's own form with more regions than its header holds")
    func oldSparse() throws {
        let scratch = try Scratch()
        let regions = (0..<30).map { (10_000 * $0, 4) }
        var tar = TarBuilder()
        var block = LayerCase.oldSparse(
            "holes", regions: Array(regions.prefix(4)), length: 1_000_000, hasMore: true)
        block.replaceSubrange(124..<136, with: LayerCase.region(4 * regions.count, 0).prefix(12))
        tar.bytes += TarBuilder.Header.summed(block)
        for start in [4, 25] {
            var more = [UInt8](repeating: 0, count: 512)
            for (place, region) in regions.dropFirst(start).prefix(21).enumerated() {
                more.replaceSubrange(
                    place * 24..<place * 24 + 24, with: LayerCase.region(region.0, region.1))
            }
            more[504] = start == 4 ? 1 : 0
            tar.bytes += more
        }
        tar.append(padded: (0..<30).flatMap { Array("d".utf8) + [UInt8($0), 1, 2] })
        tar.file("after", "a")
        let root = try scratch.unpack(tar.archive)
        let holes = try Data(contentsOf: URL(fileURLWithPath: root + "/holes"))
        #expect(holes.count == 1_000_000 && text(root + "/after") == "a")
        for number in 0..<30 { #expect(holes[10_000 * number + 1] == UInt8(number)) }
        #expect(holes.reduce(0) { $0 + ($1 == 0 ? 0 : 1) } == 119)
    }
}
