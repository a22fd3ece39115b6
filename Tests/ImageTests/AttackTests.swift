import CLinux
import Foundation
import Testing

@testable import ImageStore
@testable import Layers

/// Archives made to write outside their layer, to exhaust the machine, or to forge what the kernel believes.
@Suite("Hostile archives")
struct AttackTests {
    struct Attack: Sendable, CustomTestStringConvertible {
        let title: String
        let kind: ImageError.Kind
        /// What the error must name.
        let entry: String
        let build: @Sendable (inout TarBuilder, _ outside: String) -> Void
        var testDescription: String { title }
    }

    static let refused: [Attack] = [
        Attack(title: "../ in a name", kind: .hostile, entry: "../evil") { tar, _ in
            tar.file("../evil", "x")
        },
        Attack(title: "../ in the middle", kind: .hostile, entry: "a/../../evil") { tar, _ in
            tar.file("a/../../evil", "x")
        },
        Attack(title: "hard link by ../", kind: .hostile, entry: "h") { tar, _ in
            tar.hardLink("h", to: "../../etc/passwd")
        },
        Attack(title: "root replaced by a link", kind: .hostile, entry: "./") { tar, outside in
            var header = TarBuilder.Header("./", type: "2")
            header.link = Array(outside.utf8)
            tar.add(header)
        },
        Attack(title: "root replaced by a file", kind: .hostile, entry: "/.") { tar, _ in
            tar.add(TarBuilder.Header("/.", type: "0"), [1])
        },
        Attack(title: "whiteout of ..", kind: .hostile, entry: ".wh...") { tar, _ in
            tar.file(".wh...")
        },
        Attack(title: "whiteout of .", kind: .hostile, entry: "a/.wh..") { tar, _ in
            tar.file("a/.wh..")
        },
        Attack(title: "whiteout of nothing", kind: .hostile, entry: ".wh.") { tar, _ in
            tar.file(".wh.")
        },
        Attack(title: "whiteout below ..", kind: .hostile, entry: "x/../.wh.y") { tar, _ in
            tar.file("x/../.wh.y")
        },
        Attack(title: "link loop in a path", kind: .hostile, entry: "loop/x") { tar, _ in
            tar.link("loop", to: "loop")
            tar.file("loop/x", "x")
        },
        Attack(title: "huge extended header", kind: .hostile, entry: "PaxHeaders/x") { tar, _ in
            var header = TarBuilder.Header("PaxHeaders/x", type: "x")
            header.size = 5 << 20
            tar.bytes += header.block
        },
        Attack(title: "huge long name", kind: .hostile, entry: "././@LongLink") { tar, _ in
            var header = TarBuilder.Header("././@LongLink", type: "L")
            header.size = 2 << 20
            tar.bytes += header.block
        },
        Attack(title: "name longer than PATH_MAX", kind: .hostile, entry: "aaaa") { tar, _ in
            tar.pax([("path", [UInt8](repeating: 97, count: 5000))])
            tar.file("x")
        },
        Attack(title: "sparse map beyond the file", kind: .hostile, entry: "s") { tar, _ in
            tar.pax([
                ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", [115]),
                ("GNU.sparse.realsize", Array("10".utf8)),
            ])
            tar.file("s", "1\n4096\n4\n" + String(repeating: "\u{0}", count: 503) + "data")
        },
        Attack(title: "sparse map of a billion regions", kind: .hostile, entry: "s") { tar, _ in
            tar.pax([
                ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", [115]),
                ("GNU.sparse.realsize", Array("10".utf8)),
            ])
            tar.file("s", "1000000000\n")
        },
        Attack(title: "negative size", kind: .corrupt, entry: "x") { tar, _ in
            tar.pax([("size", Array("-512".utf8))])
            tar.file("x")
        },
        Attack(title: "a label of 8 EiB", kind: .hostile, entry: "label") { tar, _ in
            tar.bytes += Self.endless("label", type: "V")
        },
        Attack(title: "a directory of 8 EiB", kind: .hostile, entry: "d") { tar, _ in
            tar.bytes += Self.endless("d", type: "D")
        },
        Attack(title: "8 EiB by an extended header", kind: .hostile, entry: "x") { tar, _ in
            tar.pax([("size", Array("\(Int64.max)".utf8))])
            tar.file("x")
        },
        Attack(title: "sparse map without its padding", kind: .hostile, entry: "s") { tar, _ in
            tar.pax([
                ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", [115]),
                ("GNU.sparse.realsize", Array("10".utf8)),
            ])
            tar.file("s", "1\n0\n4\n")
        },
        Attack(title: "global headers without end", kind: .hostile, entry: "PaxHeaders/x") {
            tar, _ in
            for number in 0..<3 {
                tar.pax(
                    [("comment\(number)", [UInt8](repeating: 97, count: 500_000))], type: "g")
                tar.file("x")
            }
        },
        Attack(title: "directories whose attributes fill the memory", kind: .hostile, entry: "d") {
            tar, _ in
            let value = [UInt8](repeating: 97, count: 65_536)
            for number in 0..<1030 {
                tar.pax([("SCHILY.xattr.security.none", value)])
                tar.directory("d\(number)")
            }
        },
        Attack(title: "headers of one entry without end", kind: .hostile, entry: "PaxHeaders/x") {
            tar, _ in
            for number in 0..<3 {
                tar.pax([("comment\(number)", [UInt8](repeating: 97, count: 500_000))])
            }
            tar.file("x")
        },
        Attack(title: "owner beyond 32 bits", kind: .corrupt, entry: "x") { tar, _ in
            tar.pax([("uid", Array("4294967296".utf8))])
            tar.file("x")
        },
        Attack(title: "device number out of range", kind: .hostile, entry: "dev") { tar, _ in
            var header = TarBuilder.Header("dev", type: "3")
            header.major = 5000
            tar.add(header)
        },
        Attack(title: "file below a file", kind: .corrupt, entry: "f/x") { tar, _ in
            tar.file("f", "x")
            tar.file("f/x", "y")
        },
        Attack(title: "hard link to a directory", kind: .hostile, entry: "h") { tar, _ in
            tar.directory("d")
            tar.hardLink("h", to: "d")
        },
        Attack(title: "owner that means nobody", kind: .corrupt, entry: "x") { tar, _ in
            tar.pax([("gid", Array("4294967295".utf8))])
            tar.file("x", mode: 0o2755)
        },
        Attack(title: "a negative owner", kind: .corrupt, entry: "x") { tar, _ in
            tar.pax([("uid", Array("-1".utf8))])
            tar.file("x")
        },
        Attack(title: "hard link to an absolute name", kind: .corrupt, entry: "h") { tar, outside in
            tar.hardLink("h", to: outside + "/kept")
        },
        Attack(title: "hard link through a link", kind: .corrupt, entry: "h") { tar, outside in
            tar.link("l", to: outside)
            tar.hardLink("h", to: "l/kept")
        },
        Attack(title: "hard link to the root", kind: .hostile, entry: "h") { tar, _ in
            tar.hardLink("h", to: "./")
        },
        Attack(title: "hard link before its target", kind: .corrupt, entry: "h") { tar, _ in
            tar.hardLink("h", to: "later")
            tar.file("later", "x")
        },
        Attack(title: "root replaced by a hard link", kind: .hostile, entry: "./") { tar, _ in
            tar.file("x")
            tar.hardLink("./", to: "x")
        },
        Attack(title: "root replaced by a device", kind: .hostile, entry: "/") { tar, _ in
            tar.add(TarBuilder.Header("/", type: "3"))
        },
        Attack(title: "a whiteout with something below it", kind: .hostile, entry: "d/.wh.x/y") {
            tar, _ in
            tar.file("d/.wh.x/y")
        },
        Attack(title: "a link to the name of a whiteout", kind: .hostile, entry: "l/y") { tar, _ in
            tar.link("l", to: "d/.wh.x")
            tar.file("l/y")
        },
        Attack(title: "whiteout of nothing in a path", kind: .hostile, entry: ".wh./x") { tar, _ in
            tar.file(".wh./x")
        },
        Attack(title: "a component longer than NAME_MAX", kind: .system, entry: "nnnn") { tar, _ in
            tar.pax([("path", [UInt8](repeating: UInt8(ascii: "n"), count: 256))])
            tar.file("x")
        },
        Attack(title: "links to a path without end", kind: .hostile, entry: "a1/") { tar, _ in
            let deep = String(repeating: "d/", count: 1900)
            for number in 0..<3 {
                let name = number == 0 ? deep : "a\(number)/" + deep
                tar.pax([("path", Array((name + "x").utf8))])
                tar.file("x")
                let target = (number == 0 ? "" : "a\(number)/") + deep
                tar.pax([("linkpath", Array(target.utf8))])
                tar.link("a\(number + 1)", to: "x")
            }
        },
        Attack(title: "an attribute of more than 64 KiB", kind: .hostile, entry: "x") { tar, _ in
            tar.pax([("SCHILY.xattr.user.big", [UInt8](repeating: 1, count: 65_537))])
            tar.file("x")
        },
        Attack(title: "an attribute with an endless name", kind: .hostile, entry: "x") { tar, _ in
            tar.pax([("SCHILY.xattr.user." + String(repeating: "n", count: 300), [1])])
            tar.file("x")
        },
        Attack(title: "sparse file of 8 EiB", kind: .hostile, entry: "s") { tar, _ in
            tar.pax(Self.sparse(length: Int.max))
            tar.file("s", "0\n" + String(repeating: "\0", count: 510))
        },
        Attack(title: "sparse regions out of order", kind: .hostile, entry: "s") { tar, _ in
            tar.pax(Self.sparse(length: 4096))
            let map = "2\n1024\n2\n0\n2\n"
            tar.file("s", map + String(repeating: "\0", count: 512 - map.utf8.count) + "data")
        },
        Attack(title: "sparse regions over each other", kind: .hostile, entry: "s") { tar, _ in
            tar.pax([
                ("GNU.sparse.size", Array("4096".utf8)),
                ("GNU.sparse.map", Array("0,3,2,1".utf8)),
            ])
            tar.file("s", "data")
        },
        Attack(title: "sparse map of what is no number", kind: .hostile, entry: "s") { tar, _ in
            tar.pax([
                ("GNU.sparse.size", Array("4096".utf8)),
                ("GNU.sparse.map", Array("0,2,x,9,2,2".utf8)),
            ])
            tar.file("s", "data")
        },
        Attack(title: "old sparse map without end", kind: .hostile, entry: "s") { tar, _ in
            var block = LayerCase.oldSparse("s", regions: [(0, 0)], length: 1 << 20, hasMore: true)
            for number in 0..<4000 {
                var more = [UInt8](repeating: 0, count: 512)
                for place in 0..<21 {
                    let region = LayerCase.region(number * 21 + place + 1, 0)
                    more.replaceSubrange(place * 24..<place * 24 + 24, with: region)
                }
                more[504] = 1
                block += more
            }
            tar.bytes += block
        },
        Attack(title: "a layer compressed twice", kind: .corrupt, entry: "") { tar, _ in
            // What follows the magic number is no matter: it is no archive.
            tar.bytes = [0x28, 0xb5, 0x2f, 0xfd] + [UInt8](repeating: 7, count: 1020)
        },
        Attack(title: "a page that says why there is no layer", kind: .corrupt, entry: "") {
            tar, _ in
            let page = Array("<!DOCTYPE html><html><body>502 Bad Gateway</body></html>".utf8)
            tar.bytes = page + [UInt8](repeating: 32, count: 1024)
        },
        Attack(title: "entry of unknown type", kind: .unsupported, entry: "x") { tar, _ in
            tar.add(TarBuilder.Header("x", type: "Z"))
        },
    ]

    /// Records of GNU's form 1.0, whose map leads the content.
    private static func sparse(length: Int) -> [(String, [UInt8])] {
        [
            ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", [115]),
            ("GNU.sparse.realsize", Array("\(length)".utf8)),
        ]
    }

    /// A header of the greatest size that base-256 can say.
    private static func endless(_ name: String, type: Character) -> [UInt8] {
        var block = TarBuilder.Header(name, type: type).block
        block.replaceSubrange(
            124..<136, with: [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7))
        return TarBuilder.Header.summed(block)
    }

    @Test("is refused, with the layer and the entry named", arguments: refused)
    func refusal(attack: Attack) throws {
        let scratch = try Scratch()
        let outside = scratch.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        var tar = TarBuilder()
        attack.build(&tar, outside)
        try "kept".write(toFile: outside + "/kept", atomically: true, encoding: .utf8)
        let layout = try scratch.layout([tar.archive])
        let error = #expect(throws: ImageError.self) { try scratch.store().ensure(layout) }
        #expect(error?.kind == attack.kind, "\(String(describing: error))")
        #expect(error?.subject.hasPrefix("layer 1 ") == true, "\(String(describing: error))")
        if !attack.entry.isEmpty {
            #expect(
                error?.subject.contains("entry \"" + attack.entry) == true,
                "\(String(describing: error))")
        }
        RegistryTests.expectNothing(scratch)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == ["kept"])
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/evil"))
    }

    /// Harmless once every link is resolved with the layer as its root: then the entry lands inside.
    static let contained: [Attack] = [
        Attack(title: "write through an absolute link", kind: .hostile, entry: "") { tar, outside in
            tar.link("l", to: outside)
            tar.file("l/evil", "x")
        },
        Attack(title: "write through a relative link", kind: .hostile, entry: "") { tar, outside in
            tar.link("l", to: "../../../../../../../../../.." + outside)
            tar.file("l/evil", "x")
        },
        Attack(title: "write through chained links", kind: .hostile, entry: "") { tar, outside in
            tar.link("cur", to: ".")
            tar.link("par", to: "cur/..")
            tar.link("out", to: "par/../../../../../../../.." + outside)
            tar.file("out/evil", "x")
        },
        Attack(title: "a link at the last component is replaced", kind: .hostile, entry: "") {
            tar, outside in
            tar.link("evil", to: outside + "/evil")
            tar.file("evil", "x")
        },
        Attack(title: "an absolute name", kind: .hostile, entry: "") { tar, outside in
            tar.file(outside + "/evil", "x")
        },
        Attack(title: "a doubly absolute name", kind: .hostile, entry: "") { tar, outside in
            tar.file("/" + outside + "/evil", "x")
        },
        Attack(title: "a directory over a link", kind: .hostile, entry: "") { tar, outside in
            tar.link("d", to: outside)
            tar.directory("d", mode: 0o777)
            tar.file("d/evil", "x")
        },
        Attack(title: "whiteouts through a link", kind: .hostile, entry: "") { tar, outside in
            tar.link("l", to: outside)
            tar.file("l/.wh.kept")
            tar.file("l/.wh..wh..opq")
        },
        Attack(title: "attributes through a hard link to a link", kind: .hostile, entry: "") {
            tar, outside in
            tar.link("l", to: outside)
            var link = TarBuilder.Header("h", type: "1")
            (link.mode, link.uid, link.mtime, link.link) = (0o777, 5, 1, [UInt8(ascii: "l")])
            tar.add(link)
        },
        Attack(title: "a link where an open directory was", kind: .hostile, entry: "") {
            tar, outside in
            tar.file("d/first", "x")
            tar.link("d", to: outside)
            tar.file("d/evil", "x")
        },
        Attack(title: "mode and time through a link", kind: .hostile, entry: "") { tar, outside in
            tar.link("l", to: outside)
            tar.directory("l/.", mode: 0o000)
        },
    ]

    @Test("stays inside its layer", arguments: contained, [true, false])
    func containment(attack: Attack, isLowest: Bool) throws {
        let scratch = try Scratch()
        let outside = scratch.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try "kept".write(toFile: outside + "/kept", atomically: true, encoding: .utf8)
        var before = stat()
        stat(outside, &before)
        var tar = TarBuilder()
        attack.build(&tar, outside)
        _ = try scratch.unpack(tar.archive, isLowest: isLowest)
        var after = stat()
        stat(outside, &after)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == ["kept"])
        #expect(before.st_mode == after.st_mode && before.st_mtim.tv_sec == after.st_mtim.tv_sec)
    }

    @Test(
        "what steers overlays is never taken from an image",
        .enabled(if: Tools.isRoot, "needs root"), arguments: [OverlayForm.trusted, .user])
    func forgedAttributes(form: OverlayForm) throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        for name in [
            "trusted.overlay.redirect", "trusted.overlay.metacopy", "user.overlay.redirect",
            "user.overlay.whiteout", "user.mine", "security.selinux",
        ] {
            tar.pax([("SCHILY.xattr." + name, Array("/etc".utf8))])
            tar.file(name, "x")
        }
        let root = try scratch.unpack(tar.archive, form: form)
        for name in try FileManager.default.contentsOfDirectory(atPath: root) {
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = listxattr(root + "/" + name, &buffer, buffer.count)
            #expect(count <= 0 || name == "user.mine", "\(name)")
        }
    }

    @Test(
        "a character device 0:0, which would hide files, is refused or not made",
        arguments: [OverlayForm.trusted, .user])
    func forgedWhiteout(form: OverlayForm) throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.add(TarBuilder.Header("hidden", type: "3"))
        switch form {
        case .trusted:
            #expect(throws: LayerError.self) { try scratch.unpack(tar.archive, form: form) }
        case .user, .mapped:
            let root = try scratch.unpack(tar.archive, form: form)
            #expect(try FileManager.default.contentsOfDirectory(atPath: root).isEmpty)
        }
    }
}
