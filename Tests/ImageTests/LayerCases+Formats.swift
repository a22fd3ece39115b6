@testable import ImageStore
@testable import Layers

// Entries that say the same in the words of different formats.

extension LayerCase {
    static func formats() -> TarBuilder {
        var tar = TarBuilder()
        var v7 = TarBuilder.Header("v7")
        v7.magic = [UInt8](repeating: 0, count: 8)
        tar.add(v7, Array("v7".utf8))
        var old = TarBuilder.Header("v7-directory/")
        (old.magic, old.type, old.mode) = ([UInt8](repeating: 0, count: 8), "\0", 0o755)
        tar.add(old)
        var split = TarBuilder.Header("ustar")
        split.prefix = Array("a/long/prefix".utf8)
        tar.add(split, Array("u".utf8))
        tar.bytes += star("star", prefix: "another/prefix", content: "s")
        let long = "gnu/" + String(repeating: "n", count: 200)
        tar.add(TarBuilder.Header("././@LongLink", type: "L"), Array((long + "\0").utf8))
        tar.bytes += gnu("cut", content: "g")
        let target = String(repeating: "t", count: 200)
        tar.add(TarBuilder.Header("././@LongLink", type: "K"), Array((target + "\0").utf8))
        tar.link("gnu-link", to: "cut")
        tar.pax([("path", Array("pax/path".utf8)), ("size", Array("1".utf8))])
        tar.file("ignored", "p")
        // The sum of signed bytes: what some old writers made of a name like this one.
        var odd = TarBuilder.Header("")
        odd.name = [0xc3, 0xa9]
        tar.bytes += signed(odd.block)
        return tar
    }

    static func gnu(_ name: String, content: String) -> [UInt8] {
        var tar = TarBuilder()
        var header = TarBuilder.Header(name)
        header.magic = Array("ustar  \0".utf8)
        tar.add(header, Array(content.utf8))
        return tar.bytes
    }

    /// Its prefix is shorter than ustar's, its mark at the very end.
    private static func star(_ name: String, prefix: String, content: String) -> [UInt8] {
        var tar = TarBuilder()
        var header = TarBuilder.Header(name)
        header.prefix = Array(prefix.utf8)
        header.size = content.utf8.count
        var block = header.block
        block.replaceSubrange(476..<500, with: Array("00000000000 00000000000 ".utf8))
        block.replaceSubrange(508..<512, with: Array("tar\0".utf8))
        tar.bytes = TarBuilder.Header.summed(block)
        tar.append(padded: Array(content.utf8))
        return tar.bytes
    }

    static func signed(_ block: [UInt8]) -> [UInt8] {
        var block = block
        block.replaceSubrange(148..<156, with: [UInt8](repeating: 32, count: 8))
        let sum = block.reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
        let text = String(sum, radix: 8)
        let padded = String(repeating: "0", count: 6 - text.count) + text + "\0 "
        block.replaceSubrange(148..<156, with: Array(padded.utf8))
        return block
    }

    /// Two's complement in as many bytes as there are, with the mark of base 256.
    static func base256(_ value: Int, _ count: Int) -> [UInt8] {
        var bytes = (0..<count).reversed().map {
            UInt8(truncatingIfNeeded: value >> min(63, 8 * $0))
        }
        bytes[0] |= 0x80
        return bytes
    }

    /// Offset and length of a sparse region, in octal.
    static func region(_ offset: Int, _ length: Int) -> [UInt8] {
        [offset, length].flatMap { number in
            let text = String(number, radix: 8)
            return Array((String(repeating: "0", count: 11 - text.count) + text + "\0").utf8)
        }
    }

    /// The header of a sparse file in GNU's own form, with up to four regions.
    static func oldSparse(
        _ name: String, regions: [(Int, Int)], length: Int, hasMore: Bool = false
    ) -> [UInt8] {
        var header = TarBuilder.Header(name, type: "S")
        header.magic = Array("ustar  \0".utf8)
        header.size = regions.reduce(0) { $0 + $1.1 }
        var block = header.block
        for (place, (offset, count)) in regions.enumerated() {
            let start = 386 + 24 * place
            block.replaceSubrange(start..<start + 24, with: region(offset, count))
        }
        block[482] = hasMore ? 1 : 0
        block.replaceSubrange(483..<495, with: region(length, 0).prefix(12))
        return TarBuilder.Header.summed(block)
    }

    static func numbers() -> TarBuilder {
        var tar = TarBuilder()
        var block = TarBuilder.Header("binary").block
        block.replaceSubrange(108..<116, with: base256(3_000_000, 8))
        block.replaceSubrange(116..<124, with: base256(4_000_000_000, 8))
        block.replaceSubrange(136..<148, with: base256(1 << 33, 12))
        tar.bytes += TarBuilder.Header.summed(block)
        tar.pax([
            ("uid", Array("3000000".utf8)), ("gid", Array("4294967294".utf8)),
            ("mtime", Array("1700000000.123456789".utf8)),
        ])
        tar.file("decimal")
        tar.pax([("mtime", Array("1700000000.5000000009".utf8))])
        tar.file("finer")
        tar.pax([("mtime", Array("0".utf8))])
        tar.file("epoch")
        tar.pax([("uname", Array("nobody".utf8)), ("gname", Array("nogroup".utf8))])
        tar.file("named", "n", uid: 1, gid: 2)
        return tar
    }

    /// VFS_CAP_REVISION_2 with the effective flag: cap_net_raw (linux/capability.h).
    static let capability: [UInt8] =
        [1, 0, 0, 2, 0, 0x20] + [UInt8](repeating: 0, count: 14)

    static func attributes() -> TarBuilder {
        var tar = TarBuilder()
        tar.pax([("SCHILY.xattr.security.capability", capability)])
        tar.file("ping", "p", mode: 0o755, uid: 1, gid: 1)
        tar.pax([
            ("SCHILY.xattr.user.binary", [0, 10, 255, 61]), ("SCHILY.xattr.user.empty", []),
        ])
        tar.file("binary", "b", mode: 0o400)
        tar.pax([("SCHILY.xattr.user.note", Array("directory".utf8))])
        tar.directory("d", mode: 0o500)
        return tar
    }
}
