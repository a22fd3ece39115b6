@testable import ImageStore
@testable import Layers

/// Writes archives entry by entry, honest ones and others.
struct TarBuilder {
    var bytes: [UInt8] = []

    /// Fields of one header; every one can be wrong on purpose.
    struct Header {
        var name: [UInt8]
        var mode: UInt32 = 0o644
        var uid: Int = 0
        var gid: Int = 0
        var size: Int = 0
        var mtime: Int = 1_700_000_000
        var type: Character = "0"
        var link: [UInt8] = []
        var magic: [UInt8] = Array("ustar\u{0}00".utf8)
        var major = 0
        var minor = 0
        var prefix: [UInt8] = []

        init(_ name: String, type: Character = "0") {
            self.name = Array(name.utf8)
            self.type = type
        }

        var block: [UInt8] {
            var block = [UInt8](repeating: 0, count: 512)
            func put(_ value: [UInt8], at: Int, room: Int) {
                block.replaceSubrange(at..<at + min(room, value.count), with: value.prefix(room))
            }
            func octal(_ value: Int, _ digits: Int) -> [UInt8] {
                let text = String(value, radix: 8)
                return Array(
                    (String(repeating: "0", count: max(0, digits - text.count)) + text + "\u{0}")
                        .utf8)
            }
            put(name, at: 0, room: 100)
            put(octal(Int(mode), 7), at: 100, room: 8)
            put(octal(uid, 7), at: 108, room: 8)
            put(octal(gid, 7), at: 116, room: 8)
            put(octal(size, 11), at: 124, room: 12)
            put(octal(mtime, 11), at: 136, room: 12)
            put(Array(String(type).utf8), at: 156, room: 1)
            put(link, at: 157, room: 100)
            put(magic, at: 257, room: 8)
            put(octal(major, 7), at: 329, room: 8)
            put(octal(minor, 7), at: 337, room: 8)
            put(prefix, at: 345, room: 155)
            return Self.summed(block)
        }

        static func summed(_ block: [UInt8]) -> [UInt8] {
            var block = block
            block.replaceSubrange(148..<156, with: [UInt8](repeating: 32, count: 8))
            let sum = block.reduce(0) { $0 + Int($1) }
            let text = String(sum, radix: 8)
            let padded = String(repeating: "0", count: 6 - text.count) + text + "\u{0} "
            block.replaceSubrange(148..<156, with: Array(padded.utf8))
            return block
        }
    }

    mutating func add(_ header: Header, _ content: [UInt8] = []) {
        var header = header
        if header.size == 0 { header.size = content.count }
        bytes += header.block
        append(padded: content)
    }

    mutating func append(padded content: [UInt8]) {
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    mutating func file(
        _ name: String, _ text: String = "", mode: UInt32 = 0o644, uid: Int = 0, gid: Int = 0
    ) {
        var header = Header(name)
        header.mode = mode
        header.uid = uid
        header.gid = gid
        add(header, Array(text.utf8))
    }

    mutating func directory(_ name: String, mode: UInt32 = 0o755, mtime: Int = 1_600_000_000) {
        var header = Header(name + "/", type: "5")
        header.mode = mode
        header.mtime = mtime
        add(header)
    }

    mutating func link(_ name: String, to target: String) {
        var header = Header(name, type: "2")
        header.mode = 0o777
        header.link = Array(target.utf8)
        add(header)
    }

    /// Says the same of the file as its own entry, where that is one of `file`.
    mutating func hardLink(
        _ name: String, to target: String, mode: UInt32 = 0o644, uid: Int = 0, gid: Int = 0
    ) {
        var header = Header(name, type: "1")
        (header.mode, header.uid, header.gid) = (mode, uid, gid)
        header.link = Array(target.utf8)
        add(header)
    }

    mutating func pax(_ records: [(String, [UInt8])], type: Character = "x") {
        var content: [UInt8] = []
        for (key, value) in records { content += Self.record(key, value) }
        add(Header("PaxHeaders/x", type: type), content)
    }

    static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        var length = key.utf8.count + value.count + 3
        while String(length).utf8.count + key.utf8.count + value.count + 3 != length { length += 1 }
        return Array("\(length) \(key)=".utf8) + value + [10]
    }

    /// The archive with its two zero blocks.
    var archive: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}

extension TarBuilder {
    /// Archives of an image whose upper layer hides a file of the lower one and adds another.
    static func twoLayers() -> [[UInt8]] {
        var base = TarBuilder()
        base.directory("etc")
        base.file("etc/one", "1", mode: 0o640, uid: 3, gid: 4)
        base.file("etc/two", String(repeating: "two ", count: 50_000))
        var top = TarBuilder()
        top.file("etc/.wh.one")
        top.file("etc/three", "3")
        return [base.archive, top.archive]
    }
}
