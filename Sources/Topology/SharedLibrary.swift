internal import Glibc
internal import LinuxSystem

/// A library for the dynamic linker, elf(5): of this machine's word size and kind of processor.
struct SharedLibrary {
    /// DT_SONAME: the name by which programs ask for it. Nil where it has none.
    let soname: String?

    /// Nil where the file is none. Few bytes of it are read: a driver's have a hundred megabytes.
    init?(_ file: borrowing OwnedFD) {
        let reader = Reader(fd: file.raw)
        guard let header = reader.bytes(0, 64), header.starts(with: Self.identity),
            reader.number(header, 18, 2) == Self.machine
        else { return nil }
        let (offset, size, count) = (
            reader.number(header, 32, 8), reader.number(header, 54, 2),
            reader.number(header, 56, 2)
        )
        guard size >= 56, let table = reader.bytes(offset, size * count) else { return nil }
        let segments = (0..<count).map { index in
            Segment(reader, Array(table[(index * size)..<(index * size + 56)]))
        }
        guard let dynamic = segments.first(where: { $0.type == Segment.dynamic }) else {
            return nil
        }
        soname = Self.soname(reader, segments, dynamic)
    }

    private static func soname(_ reader: Reader, _ segments: [Segment], _ dynamic: Segment)
        -> String?
    {
        guard let entries = reader.bytes(dynamic.offset, min(dynamic.size, 1 << 16)) else {
            return nil
        }
        var (name, table): (Int?, Int?)
        for at in stride(from: 0, to: entries.count - 15, by: 16) {
            let value = reader.number(entries, at + 8, 8)
            switch reader.number(entries, at, 8) {
            // DT_NULL, DT_STRTAB, DT_SONAME
            case 0: return text(reader, segments, name, table)
            case 5: table = value
            case 14: name = value
            default: break
            }
        }
        return text(reader, segments, name, table)
    }

    /// The string table is given by its address, which a loaded segment turns into a place in the file.
    private static func text(
        _ reader: Reader, _ segments: [Segment], _ name: Int?, _ table: Int?
    ) -> String? {
        guard let name, let table,
            let segment = segments.first(where: { $0.type == Segment.load && $0.holds(table) })
        else { return nil }
        let start = segment.offset &+ (table - segment.address) &+ name
        // A name is one of a file; at the end of the file there are fewer bytes.
        guard let bytes = reader.upTo(255, at: start), let end = bytes.firstIndex(of: 0), end > 0,
            !bytes[..<end].contains(UInt8(ascii: "/"))
        else { return nil }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
    private static let identity: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]
    #if arch(x86_64)
        private static let machine = 62
    #elseif arch(arm64)
        private static let machine = 183
    #endif

    private struct Segment {
        static let (load, dynamic) = (1, 2)
        let type: Int
        let offset: Int
        let address: Int
        let size: Int

        init(_ reader: Reader, _ bytes: [UInt8]) {
            type = reader.number(bytes, 0, 4)
            offset = reader.number(bytes, 8, 8)
            address = reader.number(bytes, 16, 8)
            size = reader.number(bytes, 32, 8)
        }

        func holds(_ place: Int) -> Bool { place >= address && place - address < size }
    }

    private struct Reader {
        let fd: Int32

        /// Nil where there are not so many.
        func bytes(_ offset: Int, _ count: Int) -> [UInt8]? {
            upTo(count, at: offset).flatMap { $0.count == count ? $0 : nil }
        }

        func upTo(_ count: Int, at offset: Int) -> [UInt8]? {
            guard offset >= 0, count > 0, count <= 1 << 20 else { return nil }
            var buffer = [UInt8](repeating: 0, count: count)
            let got = pread(fd, &buffer, count, off_t(offset))
            return got < 0 ? nil : Array(buffer[..<got])
        }

        /// Little-endian. What is larger than any file comes out negative.
        func number(_ bytes: [UInt8], _ at: Int, _ size: Int) -> Int {
            Int(
                truncatingIfNeeded: (0..<size).reduce(UInt64(0)) {
                    $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1)
                })
        }
    }
}
