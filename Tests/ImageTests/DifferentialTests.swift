import Foundation
import Testing

@testable import ImageStore
@testable import Layers

/// What our layers show through the kernel's overlay is what skopeo and umoci extract.
@Suite(
    "Against skopeo and umoci",
    .enabled(
        if: Tools.isRoot && Tools.has("skopeo", "umoci", "mount"), "needs root, skopeo and umoci"))
struct DifferentialTests {
    private func compare(
        _ layers: [TarBuilder], _ scratch: Scratch,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let layout = try scratch.layout(layers.map(\.archive))
        try Tools.run(
            "skopeo", "copy", "-q", "oci:\(layout):latest", "oci:\(scratch.path)/copied:latest")
        try Tools.run(
            "umoci", "unpack", "--image", "\(scratch.path)/copied:latest", "\(scratch.path)/bundle")
        let theirs = try TreeListing(scratch.path + "/bundle/rootfs")
        let image = try scratch.store().ensure(layout)
        let ours = try OverlayMount.listing(image.layers, scratch)
        #expect(ours.differences(from: theirs) == [:], sourceLocation: sourceLocation)
    }

    @Test("a second layer deletes, replaces and hides what the first has")
    func twoLayers() throws {
        let scratch = try Scratch()
        var base = TarBuilder()
        for directory in [
            "bin", "etc", "etc/conf.d", "usr", "usr/lib", "opt", "opt/app", "opt/app/deep", "srv",
            "swap-dir", "keep",
        ] {
            base.directory(directory)
        }
        base.file("bin/tool", "tool 1", mode: 0o4755)
        base.hardLink("bin/alias", to: "bin/tool", mode: 0o4755)
        base.file("etc/passwd", "root:x:0:0", uid: 0, gid: 42)
        base.file("etc/delete-me", "x")
        base.file("etc/conf.d/a", "a")
        base.file("etc/conf.d/b", "b")
        base.file("opt/app/hidden", "h")
        base.file("opt/app/deep/hidden", "h")
        base.file("swap-file", "a file")
        base.file("swap-dir/inner", "i")
        base.link("lib", to: "usr/lib")
        base.link("swap-link", to: "etc")
        base.file("usr/lib/one.so", "1")
        base.directory("tmp", mode: 0o1777)
        var fifo = TarBuilder.Header("srv/pipe", type: "6")
        fifo.mode = 0o622
        base.add(fifo)
        var device = TarBuilder.Header("srv/null", type: "3")
        (device.major, device.minor, device.mode) = (1, 3, 0o666)
        base.add(device)
        base.pax([("SCHILY.xattr.user.note", Array("kept".utf8))])
        base.file("srv/noted", "n")
        var odd = TarBuilder.Header("")
        odd.name = Array("keep/".utf8) + [0xff, 0x01, 0xc3]
        base.add(odd, [7])

        var top = TarBuilder()
        // A whiteout after and before what replaces it, an opaque mark between the new children.
        top.directory("opt/app")
        top.file("opt/app/new-before", "1")
        top.file("opt/app/.wh..wh..opq")
        top.file("opt/app/new-after", "2")
        top.file("etc/.wh.delete-me")
        top.file("etc/.wh.never-was")
        top.file("etc/conf.d/.wh.a")
        top.file("etc/passwd", "changed")
        top.file(".wh.swap-file")
        top.directory("swap-file")
        top.file("swap-file/now-inside", "d")
        top.file("swap-dir", "now a file")
        top.link("swap-link", to: "usr")
        top.file("bin/.wh.alias")
        top.file("tmp/made", "implied parent keeps 1777")
        top.file("lib/two.so", "through the link")
        top.file("usr/lib/.wh..wh.plnk", "leftover")
        top.directory("keep", mode: 0o700)
        try compare([base, top], scratch)
    }

    @Test("implied parents, hard links to lower layers, deletion and return, over four layers")
    func fourLayers() throws {
        let scratch = try Scratch()
        var one = TarBuilder()
        one.directory("a", mode: 0o711)
        one.directory("a/b", mode: 0o2775)
        one.file("a/b/original", "content", mode: 0o640, uid: 5, gid: 6)
        one.directory("gone")
        one.file("gone/x", "x")
        var two = TarBuilder()
        two.file("a/b/implied", "i")
        two.hardLink("a/b/linked", to: "a/b/original", mode: 0o640, uid: 5, gid: 6)
        two.file(".wh.gone")
        var three = TarBuilder()
        three.directory("gone")
        three.file("gone/y", "y")
        three.file("a/b/.wh.implied")
        var four = TarBuilder()
        four.file("gone/z", "z")
        four.file("a/b/implied", "again")
        try compare([one, two, three, four], scratch)
    }

    @Test("random layers, each on what those below it made", arguments: 0..<12)
    func random(seed: UInt64) throws {
        let scratch = try Scratch()
        var random = SeededGenerator(seed: seed)
        try compare(RandomLayers.make(count: 4, &random), scratch)
    }
}

/// SplitMix64: the same layers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// Layers as builders write them: parents before children, whiteouts of what is there, few names so that they meet often.
enum RandomLayers {
    static func make(count: Int, _ random: inout SeededGenerator) -> [TarBuilder] {
        var model: [String: Bool] = [:]  // path → is a directory
        return (0..<count).map { index in
            var tar = TarBuilder()
            var touched: Set<String> = []
            for _ in 0..<25 { step(&tar, &model, &touched, isLowest: index == 0, &random) }
            return tar
        }
    }

    private static func step(
        _ tar: inout TarBuilder, _ model: inout [String: Bool], _ touched: inout Set<String>,
        isLowest: Bool,
        _ random: inout SeededGenerator
    ) {
        let directories = [""] + model.filter(\.value).map(\.key).sorted()
        let parent = directories[Int.random(in: 0..<directories.count, using: &random)]
        let name = ["a", "b", "c", "d", "e"][Int.random(in: 0..<5, using: &random)]
        let path = parent.isEmpty ? name : parent + "/" + name
        // One entry a path and layer, and nothing below what this layer replaced: the specification's own rules.
        guard !touched.contains(path), !touched.contains(where: { $0.hasPrefix(path + "/") }) else {
            return
        }
        let exists = model[path]
        let stamp = UInt32.random(in: 0..<1000, using: &random)
        func forget() { model = model.filter { $0.key != path && !$0.key.hasPrefix(path + "/") } }
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3 where exists != true:
            tar.file(
                path, "file \(stamp)", mode: 0o600 | (stamp & 0o177), uid: Int(stamp % 3),
                gid: Int(stamp % 5))
            model[path] = false
        case 3..<6 where exists != false:
            tar.directory(path, mode: 0o700 | (stamp & 0o77))
            model[path] = true
        case 6 where exists == nil:
            tar.link(path, to: "target-\(stamp)")
            model[path] = false
        case 7 where exists != nil && !isLowest:
            tar.file(parent.isEmpty ? ".wh." + name : parent + "/.wh." + name)
            forget()
        case 8 where exists == true && !isLowest:
            tar.directory(path, mode: 0o755)
            tar.file(path + "/.wh..wh..opq")
            forget()
            model[path] = true
        case 9 where exists == true && !isLowest:
            tar.file(path, "was a directory")
            forget()
            model[path] = false
        default: return
        }
        touched.insert(path)
    }
}
