extension LinkerCache {
    private static let oldMagic = Array("ld.so-1.7.0".utf8)
    private static let magic = Array("glibc-ld.so.cache1.1".utf8)
    private static let headerSize = 48
    private static let entrySize = 24
    private static let extensionMagic: UInt32 = 0xeaa4_2174
    /// cache_extension_tag_glibc_hwcaps
    private static let hwcapsTag: UInt32 = 1

    /// Nil where it is no such cache, or a torn one.
    init?(_ file: [UInt8]) {
        var bytes = file[...]
        if file.starts(with: Self.oldMagic) {
            // Before glibc 2.32: entries in the old form come first, and what follows is aligned.
            guard let count = Self.word(bytes, 12) else { return nil }
            let size = (16 + Int(count) * 12 + 7) & ~7
            guard size <= file.count else { return nil }
            bytes = file[size...]
        }
        guard bytes.starts(with: Self.magic), let count = Self.word(bytes, 20),
            Self.headerSize + Int(count) * Self.entrySize <= bytes.count
        else { return nil }
        self.init()
        for index in 0..<Int(count) {
            guard let entry = Self.entry(bytes, Self.headerSize + index * Self.entrySize) else {
                return nil
            }
            entries.append(entry)
        }
        hwcaps = Self.hwcaps(bytes)
    }

    private static func entry(_ bytes: ArraySlice<UInt8>, _ at: Int) -> Entry? {
        guard let flags = word(bytes, at), let key = word(bytes, at + 4),
            let value = word(bytes, at + 8), let version = word(bytes, at + 12),
            let low = word(bytes, at + 16), let high = word(bytes, at + 20),
            let name = text(bytes, key), let path = text(bytes, value)
        else { return nil }
        return Entry(
            flags: Int32(bitPattern: flags), osVersion: version,
            hwcap: UInt64(high) << 32 | UInt64(low), name: name, path: path)
    }

    /// None where there is no such section.
    private static func hwcaps(_ bytes: ArraySlice<UInt8>) -> [[UInt8]] {
        guard let offset = word(bytes, 32), offset > 0, word(bytes, Int(offset)) == extensionMagic,
            let count = word(bytes, Int(offset) + 4), count < 64
        else { return [] }
        for index in 0..<Int(count) {
            let section = Int(offset) + 8 + index * 16
            guard word(bytes, section) == hwcapsTag, let start = word(bytes, section + 8),
                let size = word(bytes, section + 12), Int(start) + Int(size) <= bytes.count
            else { continue }
            return stride(from: Int(start), to: Int(start) + Int(size), by: 4).map {
                word(bytes, $0).flatMap { text(bytes, $0) } ?? []
            }
        }
        return []
    }

    private static func word(_ bytes: ArraySlice<UInt8>, _ at: Int) -> UInt32? {
        guard at >= 0, at + 4 <= bytes.count else { return nil }
        let start = bytes.startIndex + at
        return (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
    }

    /// Up to the zero byte at its end.
    private static func text(_ bytes: ArraySlice<UInt8>, _ at: UInt32) -> [UInt8]? {
        guard Int(at) < bytes.count else { return nil }
        let rest = bytes[(bytes.startIndex + Int(at))...]
        guard let end = rest.prefix(4097).firstIndex(of: 0) else { return nil }
        return Array(rest[..<end])
    }

    /// In the order that ld.so wants; what is of one name stays in its order.
    var bytes: [UInt8] {
        let sorted = entries.enumerated().sorted { a, b in
            a.element.name == b.element.name
                ? a.offset < b.offset : Self.precedes(a.element.name, b.element.name)
        }.map(\.element)
        var (table, strings): ([UInt8], [UInt8]) = ([], [])
        let stringStart = Self.headerSize + sorted.count * Self.entrySize
        var known: [[UInt8]: UInt32] = [:]
        func put(_ text: [UInt8]) -> UInt32 {
            if let place = known[text] { return place }
            let place = UInt32(stringStart + strings.count)
            strings += text + [0]
            known[text] = place
            return place
        }
        for entry in sorted {
            table.put(UInt32(bitPattern: entry.flags))
            table.put(put(entry.name))
            table.put(put(entry.path))
            table.put(entry.osVersion)
            table.put(UInt32(truncatingIfNeeded: entry.hwcap))
            table.put(UInt32(truncatingIfNeeded: entry.hwcap >> 32))
        }
        let places = hwcaps.map(put)
        let end = stringStart + strings.count
        let gap = (4 - end % 4) % 4
        var file = Self.magic
        file.put(UInt32(sorted.count))
        file.put(UInt32(strings.count))
        // cache_file_new_flags_endian_little
        file.put(2)
        file.put(places.isEmpty ? 0 : UInt32(end + gap))
        file += [UInt8](repeating: 0, count: 12) + table + strings
        guard !places.isEmpty else { return file }
        file += [UInt8](repeating: 0, count: gap)
        let section: [UInt32] = [
            Self.extensionMagic, 1, Self.hwcapsTag, 0, UInt32(end + gap + 24),
            UInt32(places.count * 4),
        ]
        for word in section + places { file.put(word) }
        return file
    }
}

extension [UInt8] {
    fileprivate mutating func put(_ word: UInt32) {
        Swift.withUnsafeBytes(of: word.littleEndian) { append(contentsOf: $0) }
    }
}
