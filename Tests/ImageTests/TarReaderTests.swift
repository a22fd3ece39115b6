import Foundation
import Testing

@testable import ImageStore
@testable import Layers

@Suite("Archives of every kind")
struct TarReaderTests {
    private func exists(_ root: String, _ name: [UInt8]) -> Bool {
        var status = stat()
        return lstat(Array(root.utf8).cName.dropLast() + [47] + name.cName, &status) == 0
    }

    private func text(_ path: String) -> String? {
        try? String(contentsOfFile: path, encoding: .utf8)
    }

    private func status(_ path: String) throws -> stat {
        var status = stat()
        try #require(lstat(path, &status) == 0, "\(path)")
        return status
    }

    @Test(
        "names: ustar prefix, GNU long name and link, PAX path and linkpath, bytes that are no text"
    )
    func names() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        var split = TarBuilder.Header("name")
        split.prefix = Array("very/deep".utf8)
        tar.add(split, Array("ustar".utf8))
        let long = "long/" + String(repeating: "x", count: 150)
        tar.add(TarBuilder.Header("././@LongLink", type: "L"), Array((long + "\u{0}").utf8))
        var gnu = TarBuilder.Header("cut")
        gnu.magic = Array("ustar  \u{0}".utf8)
        tar.add(gnu, Array("gnu".utf8))
        tar.add(
            TarBuilder.Header("././@LongLink", type: "K"),
            Array((String(repeating: "y", count: 140) + "\u{0}").utf8))
        tar.link("gnulink", to: "cut")
        tar.pax([("path", Array("pax/path".utf8)), ("mtime", Array("1700000001.25".utf8))])
        tar.file("ignored", "pax")
        tar.pax([("linkpath", Array("pax-target".utf8))])
        tar.link("paxlink", to: "cut")
        var odd = TarBuilder.Header("")
        odd.name = [0xff, 0xfe, 0x0a, 0x80]
        tar.add(odd, [1])
        var v7 = TarBuilder.Header("old")
        v7.magic = [UInt8](repeating: 0, count: 8)
        tar.add(v7, Array("v7".utf8))
        let root = try scratch.unpack(tar.archive)
        #expect(text(root + "/very/deep/name") == "ustar")
        #expect(text(root + "/" + long) == "gnu")
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: root + "/gnulink")
                == String(repeating: "y", count: 140))
        #expect(text(root + "/pax/path") == "pax")
        #expect(try status(root + "/pax/path").st_mtim.tv_nsec == 250_000_000)
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: root + "/paxlink")
                == "pax-target")
        #expect(exists(root, [0xff, 0xfe, 0x0a, 0x80]))
        #expect(text(root + "/old") == "v7")
    }

    @Test("the PAX size decides what is read and what is skipped (CVE-2025-62518)")
    func paxSize() throws {
        let scratch = try Scratch()
        var inner = TarBuilder()
        inner.file("smuggled", "x")
        var tar = TarBuilder()
        tar.pax([("size", Array("\(inner.bytes.count)".utf8))])
        // The header itself says 0: whoever believes it reads the content as entries.
        tar.bytes += TarBuilder.Header("outer").block
        tar.append(padded: inner.bytes)
        tar.file("after", "y")
        let root = try scratch.unpack(tar.archive)
        #expect(!exists(root, Array("smuggled".utf8)))
        #expect(try status(root + "/outer").st_size == Int64(inner.bytes.count))
        #expect(text(root + "/after") == "y")
    }

    @Test(
        "numbers in base 256, modes with set-user-ID, global headers that an empty value takes away"
    )
    func numbers() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.pax([("mtime", Array("1234567890".utf8))], type: "g")
        tar.file("global")
        tar.pax([("mtime", [])])
        tar.file("own")
        var header = TarBuilder.Header("far")
        header.mode = 0o4755
        var block = header.block
        // mtime 2^40 in base 256.
        block.replaceSubrange(136..<148, with: [0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
        tar.pax([("mtime", [])])
        tar.bytes += TarBuilder.Header.summed(block)
        let root = try scratch.unpack(tar.archive)
        #expect(try status(root + "/global").st_mtim.tv_sec == 1_234_567_890)
        #expect(try status(root + "/own").st_mtim.tv_sec == 1_700_000_000)
        #expect(try status(root + "/far").st_mode & 0o7777 == 0o4755)
    }

    @Test("times that are none are refused; those before 1970 are its first moment")
    func times() throws {
        let scratch = try Scratch()
        for wrong in ["1.x", "1e9", ".5", "x", "1.0000000000x"] {
            var tar = TarBuilder()
            tar.pax([("mtime", Array(wrong.utf8))])
            tar.file("a")
            let error = #expect(throws: LayerError.self, "\(wrong)") {
                try scratch.unpack(tar.archive)
            }
            #expect(error?.entry == Array("a".utf8))
        }
        for early in ["-1", "-0.5", "-99999999999.25"] {
            var tar = TarBuilder()
            tar.pax([("mtime", Array(early.utf8))])
            tar.file("a")
            let time = try status(try scratch.unpack(tar.archive) + "/a").st_mtim
            #expect(time.tv_sec == 0 && time.tv_nsec == 0, "\(early)")
        }
        var tar = TarBuilder()
        tar.pax([("mtime", Array("\(Int64.max)".utf8))])
        tar.file("a")
        #expect(try status(try scratch.unpack(tar.archive) + "/a").st_mtim.tv_sec > 1 << 33)
    }

    @Test("GNU's incremental dumps: D is a directory whose content is a list, V a label")
    func dumps() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        var label = TarBuilder.Header("label", type: "V")
        label.size = 700
        tar.bytes += label.block + [UInt8](repeating: 7, count: 1024)
        var dump = TarBuilder.Header("d/", type: "D")
        dump.mode = 0o711
        tar.add(dump, Array("Yfile\0\0".utf8))
        tar.file("d/file", "f")
        let root = try scratch.unpack(tar.archive)
        #expect(try status(root + "/d").st_mode & 0o7777 == 0o711)
        #expect(text(root + "/d/file") == "f")
        #expect(try FileManager.default.contentsOfDirectory(atPath: root) == ["d"])
    }

    @Test("libarchive's attributes are in base 64; where both are said, the others count")
    func libarchiveAttributes() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.pax([
            ("LIBARCHIVE.xattr.user.one", Array("AAEC".utf8)),
            ("SCHILY.xattr.user.two", [9]), ("LIBARCHIVE.xattr.user.two", Array("AAEC".utf8)),
            ("LIBARCHIVE.xattr.user.three", Array("AAEC".utf8)), ("SCHILY.xattr.user.three", [8]),
        ])
        tar.file("a")
        let path = try scratch.unpack(tar.archive) + "/a"
        #expect(
            TreeListing.attributes(Array(path.utf8).cName)
                == ["user.one": [0, 1, 2], "user.two": [9], "user.three": [8]])
    }

    @Test("sparse files of GNU's four forms", .enabled(if: Tools.has("tar", "truncate")))
    func sparse() throws {
        let scratch = try Scratch()
        let source = scratch.path + "/source"
        try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
        let file = open(source + "/holes", O_RDWR | O_CREAT, 0o644)
        for number in 0..<30 {
            pwrite(file, "data\(number)", 5 + (number > 9 ? 1 : 0), off_t(number) * 1_000_000)
        }
        ftruncate(file, 40_000_000)
        close(file)
        let expected = try Data(contentsOf: URL(fileURLWithPath: source + "/holes"))
        for form in [
            ["--format=gnu"], ["--format=posix", "--sparse-version=0.0"],
            ["--format=posix", "--sparse-version=0.1"], ["--format=posix", "--sparse-version=1.0"],
        ] {
            let archive = scratch.path + "/sparse.tar"
            var command = ["tar", "-S", "-C", source, "-cf", archive, "holes"]
            command.insert(contentsOf: form, at: 1)
            try Tools.run(command)
            let root = try scratch.unpack(Array(Data(contentsOf: URL(fileURLWithPath: archive))))
            #expect(
                try Data(contentsOf: URL(fileURLWithPath: root + "/holes")) == expected, "\(form)")
            #expect(
                try status(root + "/holes").st_blocks * 512 < 4_000_000, "\(form): holes stay holes"
            )
        }
    }

    @Test("an archive may end with its last content: no padding, no blocks of zeros")
    func endsWithContent() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.file("a", "hello")
        let layer = try scratch.unpack(Array(tar.archive.prefix(512 + 5)))
        #expect(try String(contentsOfFile: layer + "/a", encoding: .utf8) == "hello")
    }

    @Test(
        "what is damaged is an error, never skipped",
        arguments: [
            "cut in the content", "cut in a header", "wrong checksum", "a lone block of zeros",
        ])
    func damaged(name: String) throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.file("a", String(repeating: "a", count: 1000))
        tar.file("b", String(repeating: "b", count: 1000))
        var archive = tar.archive
        switch name {
        case "cut in the content": archive.removeLast(1024 + 700)
        case "cut in a header": archive.removeLast(1024 + 1024 + 300)
        // GNU tar ends there, others go on: entries that some see.
        case "a lone block of zeros":
            archive.insert(contentsOf: [UInt8](repeating: 0, count: 512), at: 1536)
        default: archive[10] ^= 1
        }
        let error = #expect(throws: LayerError.self) { try scratch.unpack(archive) }
        #expect(error?.kind == .corrupt, "\(name)")
    }

    @Test(
        "malformed extended headers are refused",
        arguments: [
            "6 a=\n", "12 noequals\n", "99999 path=x\n", "11 path=a\u{0}b\n", "x path=a\n",
            "9 path=a", "-9 path=a\n",
            "10 =value\n", "+8 a=bc\n",
        ])
    func malformedPax(text: String) throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.add(TarBuilder.Header("PaxHeaders/x", type: "x"), Array(text.utf8))
        tar.file("a")
        #expect(throws: LayerError.self) { try scratch.unpack(tar.archive) }
    }
}
