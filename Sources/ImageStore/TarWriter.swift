internal import Layers

/// Writes an archive: ustar, with PAX records for what its fields do not hold. Equal entries make equal bytes.
final class TarWriter {
    /// Borrowed.
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// Content of the current entry that is still to come.
    private var left: Int64 = 0
    private var padding = 0

    private static let bufferSize = 256 << 10

    init(descriptor: Int32) {
        self.descriptor = descriptor
        buffer.reserveCapacity(Self.bufferSize + 1024)
    }

    /// Writes the header; `entry.size` bytes of content are to follow.
    func add(_ entry: TarEntry) throws(LayerError) {
        let records = Self.records(entry)
        if !records.isEmpty {
            var header = TarEntry(kind: .file, path: Array("PaxHeaders.0/entry".utf8), mode: 0o644)
            header.size = Int64(records.count)
            try put(Self.block(header, type: "x"))
            try put(records)
            try put([UInt8](repeating: 0, count: Self.padding(header.size)))
        }
        try put(Self.block(entry, type: Self.type(entry.kind)))
        left = entry.size
        padding = Self.padding(entry.size)
        if left == 0 { padding = 0 }
    }

    /// A whole file.
    func add(_ name: String, _ bytes: [UInt8]) throws(LayerError) {
        var entry = TarEntry(kind: .file, path: Array(name.utf8), mode: 0o644)
        entry.size = Int64(bytes.count)
        try add(entry)
        let result: Result<Void, LayerError> = bytes.withUnsafeBytes { bytes in
            do throws(LayerError) { return .success(try write(bytes)) } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// More of the current entry's content.
    func write(_ bytes: UnsafeRawBufferPointer) throws(LayerError) {
        guard Int64(bytes.count) <= left else {
            throw LayerError(.corrupt, "a file that grows while it is read")
        }
        left -= Int64(bytes.count)
        if bytes.count >= Self.bufferSize {
            try flush()
            try Raw.writeAll(descriptor, bytes)
        } else {
            try put(bytes)
        }
        if left == 0 {
            try put([UInt8](repeating: 0, count: padding))
            padding = 0
        }
    }

    /// The two blocks of zeros.
    func finish() throws(LayerError) {
        guard left == 0 else { throw LayerError(.corrupt, "a file that shrinks while it is read") }
        try put([UInt8](repeating: 0, count: 1024))
        try flush()
    }

    private func put(_ bytes: some Sequence<UInt8>) throws(LayerError) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferSize { try flush() }
    }

    private func flush() throws(LayerError) {
        let result: Result<Void, LayerError> = buffer.withUnsafeBytes { bytes in
            do throws(LayerError) {
                return .success(try Raw.writeAll(descriptor, bytes))
            } catch { return .failure(error) }
        }
        buffer.removeAll(keepingCapacity: true)
        try result.get()
    }

    private static func padding(_ size: Int64) -> Int { Int((512 - size % 512) % 512) }

    // MARK: Headers

    private static func type(_ kind: TarEntry.Kind) -> Character {
        switch kind {
        case .file: "0"
        case .hardLink: "1"
        case .symbolicLink: "2"
        case .characterDevice: "3"
        case .blockDevice: "4"
        case .directory: "5"
        case .fifo: "6"
        }
    }

    /// Greatest values of ustar's octal fields.
    private static let (idLimit, sizeLimit): (UInt32, Int64) = (0o7777777, 0o77777777777)

    /// POSIX.1-2001 pax, in the order in which Go writes them: by key.
    private static func records(_ entry: TarEntry) -> [UInt8] {
        var values: [(key: [UInt8], value: [UInt8])] = []
        func add(_ key: String, _ value: some Sequence<UInt8>) {
            values.append((Array(key.utf8), Array(value)))
        }
        if entry.path.count > 100 { add("path", entry.path) }
        if entry.link.count > 100 { add("linkpath", entry.link) }
        if entry.uid > idLimit { add("uid", "\(entry.uid)".utf8) }
        if entry.gid > idLimit { add("gid", "\(entry.gid)".utf8) }
        if entry.size > sizeLimit { add("size", "\(entry.size)".utf8) }
        if entry.modified.seconds > sizeLimit { add("mtime", "\(entry.modified.seconds)".utf8) }
        for attribute in entry.attributes {
            values.append((Array("SCHILY.xattr.".utf8) + attribute.name, attribute.value))
        }
        return values.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap(record)
    }

    /// `%d key=value\n`, whose number counts itself.
    private static func record(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let rest = key.count + value.count + 3
        var length = rest
        while rest + String(length).utf8.count != length {
            length = rest + String(length).utf8.count
        }
        return Array("\(length) ".utf8) + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
    }

    private static func block(_ entry: TarEntry, type: Character) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ value: some Collection<UInt8>, at: Int, room: Int) {
            let cut = Array(value.prefix(room))
            block.replaceSubrange(at..<at + cut.count, with: cut)
        }
        // What is too large for its field stands in the records, and counts there.
        func put(octal value: Int64, at: Int, digits: Int) {
            let text = String(value < 1 << (3 * digits) ? value : 0, radix: 8)
            let zeros = String(repeating: "0", count: digits - text.utf8.count)
            put((zeros + text).utf8, at: at, room: digits)
        }
        put(entry.path, at: 0, room: 100)
        put(octal: Int64(entry.mode), at: 100, digits: 7)
        put(octal: Int64(entry.uid), at: 108, digits: 7)
        put(octal: Int64(entry.gid), at: 116, digits: 7)
        put(octal: entry.size, at: 124, digits: 11)
        put(octal: entry.modified.seconds, at: 136, digits: 11)
        put(String(type).utf8, at: 156, room: 1)
        put(entry.link, at: 157, room: 100)
        put("ustar\u{0}00".utf8, at: 257, room: 8)
        put(octal: Int64(entry.device.major), at: 329, digits: 7)
        put(octal: Int64(entry.device.minor), at: 337, digits: 7)
        put([UInt8](repeating: UInt8(ascii: " "), count: 8), at: 148, room: 8)
        let sum = block.reduce(Int64(0)) { $0 + Int64($1) }
        put(octal: sum, at: 148, digits: 6)
        block[154] = 0
        return block
    }
}
