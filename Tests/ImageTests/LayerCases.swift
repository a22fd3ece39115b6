import Foundation

@testable import ImageStore
@testable import Layers

/// An image whose layers hold what one group of rules is about, for judges to unpack, too.
struct LayerCase: Sendable {
    let title: String
    /// Whether times of directories are compared: in an overlay they are the upper layer's own, and of implied ones nobody says.
    var hasDirectoryTimes = false
    let build: @Sendable () -> [TarBuilder]

    static func named(_ title: String) -> LayerCase? { all.first { $0.title == title } }

    static let all: [LayerCase] = [
        LayerCase(title: "whiteouts in any order") {
            var base = TarBuilder()
            base.directory("d")
            for name in ["a", "b", "c", "kept"] { base.file("d/" + name, "below") }
            base.directory("e")
            base.file("e/hidden", "below")
            var top = TarBuilder()
            top.directory("d")
            top.file("d/.wh.a")
            top.file("d/a", "again")
            top.file("d/b", "before its whiteout")
            top.file("d/.wh.b")
            top.file("e/new", "before the mark")
            top.file("e/.wh..wh..opq")
            return [base, top]
        },
        LayerCase(title: "whiteouts of any type") {
            var base = TarBuilder()
            for name in ["a", "b", "c"] { base.file(name, "below") }
            var top = TarBuilder()
            top.directory(".wh.a")
            top.link(".wh.b", to: "anything")
            top.add(TarBuilder.Header(".wh.c", type: "6"))
            return [base, top]
        },
        LayerCase(title: "an entry below a whiteout that hides its directory") {
            var base = TarBuilder()
            base.directory("d", mode: 0o700)
            base.file("d/old", "below")
            var top = TarBuilder()
            top.file(".wh.d")
            top.file("d/new", "above")
            return [base, top]
        },
        LayerCase(title: "whiteouts below whiteouts and marks") {
            var base = TarBuilder()
            base.directory("foo")
            base.file("foo/bar", "below")
            base.directory("d")
            base.file("d/x", "below")
            base.directory("d/sub")
            base.file("d/sub/y", "below")
            var top = TarBuilder()
            top.file(".wh.foo")
            top.file("foo/.wh.bar")
            top.directory("d")
            top.file("d/.wh..wh..opq")
            top.file("d/.wh.x")
            return [base, top]
        },
        LayerCase(title: "leftovers of AUFS") {
            var base = TarBuilder()
            base.file("kept", "k")
            var top = TarBuilder()
            top.file(".wh..wh.aufs")
            top.directory(".wh..wh.orph")
            top.directory(".wh..wh.plnk")
            top.file(".wh..wh.plnk/12.34", "shared")
            top.hardLink("a", to: ".wh..wh.plnk/12.34")
            top.hardLink("b", to: ".wh..wh.plnk/12.34")
            return [base, top]
        },
        LayerCase(title: "implied parents") {
            var base = TarBuilder()
            var owned = TarBuilder.Header("a/", type: "5")
            (owned.mode, owned.uid, owned.gid) = (0o711, 5, 6)
            base.add(owned)
            base.pax([("SCHILY.xattr.user.note", Array("kept".utf8))])
            base.directory("a/b", mode: 0o2775)
            base.file("a/b/original", "o")
            base.directory("tmp", mode: 0o1777)
            var top = TarBuilder()
            top.file("a/b/file", "f")
            top.hardLink("tmp/linked", to: "a/b/file")
            top.file("nobody/says/x", "x")
            top.link("other/link", to: "x")
            return [base, top]
        },
        LayerCase(title: "parents that are links below") {
            var base = TarBuilder()
            base.directory("usr")
            base.directory("usr/lib")
            base.file("usr/lib/x", "x")
            base.link("lib", to: "usr/lib")
            base.link("lib64", to: "/usr/lib")
            base.link("replaced", to: "usr/lib")
            var top = TarBuilder()
            top.file("lib/y", "y")
            top.file("lib64/z", "z")
            top.directory("replaced")
            top.file("replaced/own", "o")
            return [base, top]
        },
        LayerCase(title: "hard links") {
            var base = TarBuilder()
            base.directory("d")
            base.file("d/file", "content", mode: 0o4755, uid: 3, gid: 4)
            base.hardLink("d/second", to: "/d/file", mode: 0o4755, uid: 3, gid: 4)
            base.hardLink("third", to: "./d/second", mode: 0o4755, uid: 3, gid: 4)
            base.link("d/link", to: "file")
            base.hardLink("d/same-link", to: "d/link")
            base.link("way", to: "d")
            base.hardLink("through", to: "way/file", mode: 0o4755, uid: 3, gid: 4)
            return [base]
        },
        LayerCase(title: "hard links to lower layers") {
            var base = TarBuilder()
            base.directory("d")
            base.file("d/file", "content", mode: 0o640, uid: 3, gid: 4)
            base.link("d/link", to: "file")
            base.add(TarBuilder.Header("d/pipe", type: "6"))
            base.file("d/hidden", "hidden")
            base.file("d/replaced", "old")
            var top = TarBuilder()
            top.hardLink("one", to: "d/file", mode: 0o640, uid: 3, gid: 4)
            top.hardLink("two", to: "d/file", mode: 0o640, uid: 3, gid: 4)
            top.hardLink("chained", to: "one", mode: 0o640, uid: 3, gid: 4)
            top.hardLink("to-link", to: "d/link")
            top.hardLink("to-pipe", to: "d/pipe")
            top.hardLink("was-hidden", to: "d/hidden")
            top.file("d/.wh.hidden")
            top.hardLink("was-replaced", to: "d/replaced")
            top.file("d/replaced", "new")
            return [base, top]
        },
        LayerCase(title: "a hard link that says otherwise") {
            var base = TarBuilder()
            base.file("file", "content", mode: 0o644)
            var link = TarBuilder.Header("link", type: "1")
            (link.mode, link.uid, link.gid, link.mtime) = (0o4711, 7, 8, 1_500_000_000)
            link.link = Array("file".utf8)
            base.add(link)
            return [base]
        },
        LayerCase(title: "formats of every age") { [LayerCase.formats()] },
        LayerCase(title: "a contiguous file") {
            var tar = TarBuilder()
            tar.add(TarBuilder.Header("contiguous", type: "7"), Array("c".utf8))
            return [tar]
        },
        LayerCase(title: "owners and times of any size") { [LayerCase.numbers()] },
        LayerCase(title: "times before 1970") {
            var tar = TarBuilder()
            tar.pax([("mtime", Array("-1.5".utf8))])
            tar.file("negative")
            return [tar]
        },
        LayerCase(title: "extended attributes and capabilities") { [LayerCase.attributes()] },
        LayerCase(title: "devices, pipes and special modes") {
            var tar = TarBuilder()
            for (name, type, major, minor) in [
                ("null", Character("3"), 1, 3), ("loop", "4", 7, 300),
                ("far", "3", 4095, 1_048_575),
                ("pipe", "6", 0, 0),
            ] {
                var header = TarBuilder.Header(name, type: type)
                (header.major, header.minor, header.mode, header.uid) = (major, minor, 0o2622, 9)
                tar.add(header)
            }
            tar.file("suid", "s", mode: 0o6755, uid: 12, gid: 13)
            tar.directory("sticky", mode: 0o1777)
            tar.directory("group", mode: 0o2750)
            tar.file("none", "n", mode: 0)
            tar.directory("locked", mode: 0o000)
            tar.file("locked/inside", "i", mode: 0o400)
            return [tar]
        },
        LayerCase(title: "names of any bytes") {
            var tar = TarBuilder()
            tar.directory("d")
            let names: [[UInt8]] = [
                [0xff, 0xfe, 0x0a, 0x80], Array("back\\slash:colon,comma".utf8), Array("é".utf8),
                Array("e\u{301}".utf8), Array("lower=".utf8), Array(" ".utf8), [0x7f, 0x1b, 0x5b],
            ]
            for name in names {
                var header = TarBuilder.Header("")
                header.name = Array("d/".utf8) + name
                tar.add(header, name)
            }
            let longest = [UInt8](repeating: UInt8(ascii: "n"), count: 255)
            tar.pax([("path", Array("d/".utf8) + longest)])
            tar.file("short", "long")
            tar.pax([("path", Array((String(repeating: "deep/", count: 100) + "end").utf8))])
            tar.file("short", "deep")
            tar.pax([("linkpath", [UInt8](repeating: 0xe9, count: 1000))])
            tar.link("link", to: "x")
            return [tar]
        },
        LayerCase(title: "names with dots and slashes") {
            var tar = TarBuilder()
            tar.file("./a/./b", "1")
            tar.file("/rooted", "2")
            tar.file("a//c", "3")
            tar.directory("./d/")
            tar.file(".dot", "4")
            tar.file("..two", "5")
            return [tar]
        },
        LayerCase(title: "the same name twice") {
            var tar = TarBuilder()
            tar.file("file", "first", mode: 0o600)
            tar.file("file", "second", mode: 0o640)
            tar.file("now-directory", "file")
            tar.directory("now-directory", mode: 0o711)
            tar.file("now-directory/x", "x")
            tar.directory("now-file")
            tar.file("now-file/gone", "g")
            tar.file("now-file", "file")
            tar.link("now-plain", to: "file")
            tar.file("now-plain", "plain")
            tar.directory("twice", mode: 0o700)
            tar.file("twice/kept", "k")
            tar.directory("twice", mode: 0o755)
            tar.file("linked", "old")
            tar.hardLink("other-name", to: "linked")
            tar.file("linked", "new")
            return [tar]
        },
        LayerCase(title: "times of directories", hasDirectoryTimes: true) {
            var base = TarBuilder()
            for (name, time) in [
                ("a", 1_000_000_000), ("a/b", 1_100_000_000), ("c", 1_200_000_000),
            ] {
                base.directory(name, mtime: time)
            }
            base.file("a/b/file", "f")
            base.file("c/gone", "g")
            var top = TarBuilder()
            top.directory("a", mtime: 1_300_000_000)
            top.file("a/new", "n")
            top.directory("c", mtime: 1_400_000_000)
            top.file("c/.wh.gone")
            top.hardLink("c/linked", to: "a/b/file")
            return [base, top]
        },
        LayerCase(title: "global headers") {
            var tar = TarBuilder()
            // What `git archive` writes.
            tar.pax([("comment", Array("6b2bc33cd4".utf8))], type: "g")
            tar.file("plain")
            tar.pax([("mtime", Array("1234567890".utf8))], type: "g")
            tar.file("dated")
            return [tar]
        },
        LayerCase(title: "what stands behind the end") {
            var tar = TarBuilder()
            tar.file("before", "b")
            tar.bytes += [UInt8](repeating: 0, count: 1024)
            tar.file("after", "a")
            return [tar]
        },
    ]
}
