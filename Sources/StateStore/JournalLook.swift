internal import Glibc
internal import LinuxSystem

/// Looks through a write-ahead log before SQLite does, which takes whatever stands behind a frame that is not right for the
/// remains of a commit that never was, and says nothing. The format: https://sqlite.org/fileformat2.html#walformat.
struct JournalLook {
    private static let headerSize = 32
    private static let frameHeaderSize = 24

    /// What is wrong with it; nil where nothing is, or there is none.
    let damage: String?

    init(_ path: String) throws(SystemError) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            guard errno == ENOENT else { throw SystemError.last("open", path) }
            damage = nil
            return
        }
        defer { close(file) }
        guard let header = Self.read(file, 0, Self.headerSize) else {
            // Shorter than that nothing was ever in it.
            damage = nil
            return
        }
        damage = Self.damage(file, header)
    }

    private static func damage(_ file: Int32, _ header: [UInt8]) -> String? {
        let pageSize = Int(word(header, 8))
        let isBigEndian = word(header, 0) & 1 == 1
        var sum = Checksum()
        sum.add(header[..<24], isBigEndian)
        guard word(header, 0) & ~1 == 0x377f_0682, sum.is(header, at: 24),
            (512...65536).contains(pageSize)
        else {
            return read(file, headerSize, frameHeaderSize) == nil
                ? nil : "its header is not right: nothing of it can be read"
        }
        let salt = header[16..<24]
        var frame = 0
        var bad: Int?
        while true {
            let offset = headerSize + frame * (frameHeaderSize + pageSize)
            let size = bad == nil ? frameHeaderSize + pageSize : frameHeaderSize
            guard let bytes = read(file, offset, size) else { return nil }
            frame += 1
            if let bad {
                // Of the same round, and the last of a commit.
                if bytes[8..<16] == salt, word(bytes, 4) > 0 {
                    return
                        "frame \(bad) is not right, and a commit behind it, up to frame \(frame), cannot be read"
                }
                continue
            }
            sum.add(bytes[..<8], isBigEndian)
            sum.add(bytes[frameHeaderSize...], isBigEndian)
            let isRight = sum.is(bytes, at: 16)
            if isRight, bytes[8..<16] == salt { continue }
            // Frames of an earlier round have other salts, and sums that do not go on from these.
            if isRight { return "frame \(frame) is not right" }
            bad = frame
            // It may be the last of its commit itself.
            if bytes[8..<16] == salt, word(bytes, 4) > 0 {
                return "frame \(frame), the last of a commit, is not right"
            }
        }
    }

    /// All of it, or nil where the file ends before.
    private static func read(_ file: Int32, _ offset: Int, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                pread(
                    file, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
            }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }

    fileprivate static func word(_ bytes: some Collection<UInt8>, _ offset: Int) -> UInt32 {
        bytes.dropFirst(offset).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Of "Checksum Algorithm" there: it goes on from one frame to the next.
private struct Checksum {
    private var (first, second): (UInt32, UInt32) = (0, 0)

    mutating func add(_ bytes: ArraySlice<UInt8>, _ isBigEndian: Bool) {
        bytes.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                var one = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                var two = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                (one, two) =
                    isBigEndian
                    ? (one.bigEndian, two.bigEndian) : (one.littleEndian, two.littleEndian)
                first &+= one &+ second
                second &+= two &+ first
            }
        }
    }

    func `is`(_ bytes: [UInt8], at offset: Int) -> Bool {
        JournalLook.word(bytes, offset) == first && JournalLook.word(bytes, offset + 4) == second
    }
}
