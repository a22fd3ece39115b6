/// Reads the entries of an archive in order: v7, ustar, GNU, star and PAX, as Go's archive/tar does.
package final class TarReader {
    private let stream: ArchiveStream
    private let limits: LayerLimits
    private var global = PaxRecords()
    /// Content of the current entry that has not been read, and the padding after it.
    private var left: Int64 = 0
    private var padding: Int64 = 0
    private var count = 0
    /// Bytes of extended headers since the last entry, and of global ones since the beginning.
    private var headerBytes: Int64 = 0
    private var globalBytes: Int64 = 0

    package init(_ stream: ArchiveStream, limits: LayerLimits) {
        self.stream = stream
        self.limits = limits
    }

    /// The next entry; nil at the end of the archive. What was not read of the last one is skipped.
    package func next() throws(LayerError) -> TarEntry? {
        var pax = PaxRecords()
        var hasPax = false
        var longPath: [UInt8]?
        var longLink: [UInt8]?
        while let header = try nextHeader() {
            do throws(LayerError) {
                guard let size = header.size else {
                    throw LayerError(.corrupt, "a damaged entry header")
                }
                try check(size)
                switch header.type {
                case UInt8(ascii: "x"), UInt8(ascii: "X"):
                    try pax.add(try extended(size))
                    hasPax = true
                case UInt8(ascii: "g"): try addGlobal(size)
                case UInt8(ascii: "L"): longPath = Self.text(try extended(size))
                case UInt8(ascii: "K"): longLink = Self.text(try extended(size))
                case UInt8(ascii: "V"): try stream.skip(size + Self.padding(size))
                default:
                    headerBytes = 0
                    let records = hasPax ? merged(pax) : global
                    return try entry(header, size, records, longPath, longLink)
                }
            } catch {
                throw error.at(pax.values["path"] ?? longPath ?? header.path)
            }
        }
        return nil
    }

    private func addGlobal(_ size: Int64) throws(LayerError) {
        try global.add(try extended(size))
        (globalBytes, headerBytes) = (globalBytes + size, headerBytes - size)
        try checkHeaders(globalBytes)
    }

    /// Up to `most` bytes of the current entry's content, which stay until the next call; empty at its end.
    package func content(_ most: Int) throws(LayerError) -> UnsafeRawBufferPointer {
        guard left > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let bytes = try stream.take(Int(min(Int64(most), left)))
        guard !bytes.isEmpty else { throw LayerError(.corrupt, "the archive ends within an entry") }
        left -= Int64(bytes.count)
        return bytes
    }

    private func merged(_ pax: PaxRecords) -> PaxRecords {
        var records = global
        records.overlay(pax)
        return records
    }

    /// The next header; nil after the two zero blocks or at the end of the stream.
    private func nextHeader() throws(LayerError) -> TarHeader? {
        try stream.skip(left)
        // Archives of `umoci insert` end with the content of their last file, and Go's reader takes them.
        try stream.skip(padding, toleratingEnd: true)
        (left, padding) = (0, 0)
        var isEnding = false
        while let block = try stream.read(512) {
            if block[0] == 0, block.allSatisfy({ $0 == 0 }) {
                if isEnding { return nil }
                isEnding = true
                continue
            }
            guard !isEnding else {
                // Some would go on, others end here: entries that not everybody sees.
                throw LayerError(
                    .corrupt,
                    "a lone block of zeros, \(stream.position - 1024) bytes into the archive")
            }
            guard let header = TarHeader(block) else {
                throw LayerError(
                    .corrupt,
                    "a damaged entry header, \(stream.position - 512) bytes into the archive")
            }
            return header
        }
        return nil
    }

    private static func padding(_ size: Int64) -> Int64 { (512 - size % 512) % 512 }

    private func extended(_ size: Int64) throws(LayerError) -> [UInt8] {
        headerBytes += size
        try checkHeaders(headerBytes)
        let bytes = try stream.read(Int(size)) ?? []
        guard bytes.count == Int(size) else {
            throw LayerError(.corrupt, "the archive ends within an entry")
        }
        try stream.skip(Self.padding(size))
        return bytes
    }

    /// Extended headers are kept in memory: those before one entry together, and all global ones together.
    private func checkHeaders(_ size: Int64) throws(LayerError) {
        guard size <= limits.header else {
            throw LayerError(
                .hostile, "extended headers of \(size) bytes; \(limits.header) are allowed")
        }
    }

    /// Sums of an entry's size and its padding never overflow.
    private func check(_ size: Int64) throws(LayerError) {
        guard size >= 0 else { throw LayerError(.corrupt, "an entry of negative size") }
        guard size <= limits.bytes else {
            throw LayerError(
                .hostile, "an entry of \(size) bytes; \(limits.bytes) are allowed in a layer")
        }
    }

    private static func text(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix { $0 != 0 }) }

    private func entry(
        _ header: TarHeader, _ headerSize: Int64, _ pax: PaxRecords, _ longPath: [UInt8]?,
        _ longLink: [UInt8]?
    ) throws(LayerError) -> TarEntry {
        count += 1
        guard count <= limits.entries else {
            throw LayerError(.hostile, "the layer has more than \(limits.entries) entries")
        }
        // One size decides both what is read and what is skipped (CVE-2025-62518).
        var size = try pax.number("size") ?? headerSize
        try check(size)
        let path = pax.values["path"] ?? longPath ?? header.path
        let kind = try Self.kind(header.type, path).orThrow(path)
        guard let mode = header.mode, let headerUID = header.uid, let headerGID = header.gid else {
            throw LayerError(.corrupt, "a damaged entry header", entry: path)
        }
        guard let uid = UInt32(exactly: try pax.number("uid") ?? headerUID),
            let gid = UInt32(exactly: try pax.number("gid") ?? headerGID),
            // chown(2) takes the last one as "no change".
            uid != .max, gid != .max
        else { throw LayerError(.corrupt, "an owner out of range", entry: path) }
        // Links and nodes have no content, whatever some writers put into their size.
        if kind != .file, header.type != UInt8(ascii: "D") { size = 0 }
        var entry = TarEntry(
            kind: kind, path: path, mode: UInt32(truncatingIfNeeded: mode) & 0o7777, uid: uid,
            gid: gid)
        entry.link = pax.values["linkpath"] ?? longLink ?? header.link
        entry.modified = Self.clamped(try pax.time("mtime") ?? (header.modified ?? 0, 0))
        entry.attributes = try Self.attributes(pax)
        if kind == .characterDevice || kind == .blockDevice {
            entry.device = try Self.device(header, path)
        }
        (left, padding) = (size, Self.padding(size))
        entry.size = size
        if kind == .file { try readSparse(header, pax, &entry) }
        return entry
    }

    /// In the order of their names.
    private static func attributes(_ pax: PaxRecords) throws(LayerError) -> [(
        name: [UInt8], value: [UInt8]
    )] {
        guard !pax.attributes.isEmpty else { return [] }
        for (name, value) in pax.attributes {
            guard name.count <= nameLimit, value.count <= valueLimit else {
                throw LayerError(
                    .hostile,
                    "an extended attribute with a name of \(name.count) and a value of \(value.count) bytes; \(nameLimit) and \(valueLimit) are allowed"
                )
            }
        }
        return pax.attributes.map { ($0.key, $0.value) }.sorted {
            $0.name.lexicographicallyPrecedes($1.name)
        }
    }

    /// XATTR_NAME_MAX and XATTR_SIZE_MAX of linux/limits.h.
    private static let (nameLimit, valueLimit) = (255, 65_536)

    /// Nil for what no layer may hold.
    private static func kind(_ type: UInt8, _ path: [UInt8]) -> TarEntry.Kind? {
        switch type {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
            path.last == UInt8(ascii: "/") ? .directory : .file
        case UInt8(ascii: "S"): .file
        case UInt8(ascii: "1"): .hardLink
        case UInt8(ascii: "2"): .symbolicLink
        case UInt8(ascii: "3"): .characterDevice
        case UInt8(ascii: "4"): .blockDevice
        case UInt8(ascii: "5"), UInt8(ascii: "D"): .directory
        case UInt8(ascii: "6"): .fifo
        default: nil
        }
    }

    private static func device(_ header: TarHeader, _ path: [UInt8]) throws(LayerError) -> (
        major: UInt32, minor: UInt32
    ) {
        // Linux: 12 bits of major, 20 of minor.
        guard let major = header.majorNumber, let minor = header.minorNumber,
            (0..<4096).contains(major),
            (0..<1_048_576).contains(minor)
        else { throw LayerError(.hostile, "a device number out of range", entry: path) }
        return (UInt32(major), UInt32(minor))
    }

    /// Kernels refuse or wrap what is far away (docker's boundTime).
    private static func clamped(_ time: (seconds: Int64, nanoseconds: Int64)) -> (
        seconds: Int64, nanoseconds: Int64
    ) {
        guard time.seconds >= 0 else { return (0, 0) }
        return (min(time.seconds, 1 << 62), time.nanoseconds)
    }

    private func readSparse(_ header: TarHeader, _ pax: PaxRecords, _ entry: inout TarEntry)
        throws(LayerError)
    {
        let isOld = header.type == UInt8(ascii: "S")
        guard isOld || pax.isSparse else { return }
        let map = try isOld ? oldSparse(header) : paxSparse(pax, &entry)
        entry.size = left
        guard let map, map.isSound(content: left), map.length <= limits.bytes else {
            throw LayerError(.hostile, "a sparse map that does not fit its file", entry: entry.path)
        }
        entry.sparse = map
    }

    private func oldSparse(_ header: TarHeader) throws(LayerError) -> SparseMap? {
        guard let first = header.oldSparse else { return nil }
        var (regions, hasMore) = (first.regions, first.hasMore)
        while hasMore {
            guard let block = try stream.read(512), block.count == 512,
                let more = TarHeader.regions(block, at: 0, count: 21),
                regions.count <= SparseMap.regionLimit
            else { return nil }
            regions += more
            hasMore = block[504] != 0
        }
        return SparseMap(regions: regions, length: first.length)
    }

    /// GNU's PAX forms 0.0 and 0.1 (the map in records) and 1.0 (at the start of the content).
    private func paxSparse(_ pax: PaxRecords, _ entry: inout TarEntry) throws(LayerError)
        -> SparseMap?
    {
        if let name = pax.values["GNU.sparse.name"] { entry.path = name }
        let oldLength = try pax.number("GNU.sparse.size")
        guard let length = try pax.number("GNU.sparse.realsize") ?? oldLength else { return nil }
        if try pax.number("GNU.sparse.major") == 1 {
            guard let regions = try leadingMap() else { return nil }
            return SparseMap(regions: regions, length: length)
        }
        guard let text = pax.values["GNU.sparse.map"] else {
            return SparseMap(regions: pax.sparsePairs, length: length)
        }
        let parts = text.split(
            separator: UInt8(ascii: ","), maxSplits: 2 * SparseMap.regionLimit + 1)
        let numbers = parts.compactMap { Int64(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == parts.count, numbers.count.isMultiple(of: 2) else { return nil }
        return SparseMap(
            regions: stride(from: 0, to: numbers.count, by: 2).map {
                (numbers[$0], numbers[$0 + 1])
            }, length: length)
    }

    /// Decimal numbers, one a line: how many, then offset and length of each; padded to 512 bytes.
    private func leadingMap() throws(LayerError) -> [(offset: Int64, length: Int64)]? {
        var used = 0
        func number() throws(LayerError) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<20 {
                guard let byte = try content(1).first else { return nil }
                used += 1
                if byte == UInt8(ascii: "\n") { return value }
                guard (48...57).contains(byte), value < 1 << 58 else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return nil
        }
        guard let count = try number(), count <= SparseMap.regionLimit else { return nil }
        var regions: [(offset: Int64, length: Int64)] = []
        for _ in 0..<count {
            guard let offset = try number(), let length = try number() else { return nil }
            regions.append((offset, length))
        }
        var pad = (512 - used % 512) % 512
        while pad > 0 {
            let count = try content(pad).count
            guard count > 0 else { return nil }
            pad -= count
        }
        return regions
    }
}

extension Optional where Wrapped == TarEntry.Kind {
    fileprivate func orThrow(_ path: [UInt8]) throws(LayerError) -> TarEntry.Kind {
        guard let kind = self else {
            throw LayerError(.unsupported, "an entry of unknown type", entry: path)
        }
        return kind
    }
}
