internal import Glibc
internal import LinuxSystem

/// Pieces that have come for a tree which is not whole yet: one file that is only ever added to, so that a process killed at any
/// moment leaves whole pieces and at most the beginning of one, which is cut off.
///
/// A record is the digest, the length in 4 bytes, little-endian, and the bytes.
final class TreePack {
    private let file: OwnedFD
    private let path: String
    private var end: Int64 = 0

    static let header = ChunkSum.size + 4

    /// Opens it, made where it is missing, with what is whole in it.
    /// - Parameter found: gets each piece's digest, offset and length. Their bytes are verified when they are used.
    init(_ path: String, found: (ChunkSum, Int64, Int) -> Void) throws(TreeError) {
        self.path = path
        file = try system { () throws(SystemError) in
            try OwnedFD.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        }
        end = try Self.scan(file.raw, path, found)
        try system { () throws(SystemError) in
            try checkErrno(ftruncate(file.raw, off_t(end)), "truncate", path)
        }
    }

    var raw: Int32 { file.raw }

    /// Takes verified pieces in; returns where the bytes of each begin.
    func add(_ pieces: [(sum: ChunkSum, bytes: ArraySlice<UInt8>)]) throws(TreeError) -> [Int64] {
        var records: [UInt8] = []
        records.reserveCapacity(pieces.reduce(0) { $0 + $1.bytes.count + Self.header })
        var places: [Int64] = []
        for (sum, bytes) in pieces {
            records += sum.bytes
            withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { records.append(contentsOf: $0) }
            places.append(end + Int64(records.count))
            records += bytes
        }
        try system { () throws(SystemError) in
            try checkErrno(lseek(file.raw, off_t(end), SEEK_SET), "seek", path)
            try Files.writeAll(file.raw, records, path)
        }
        end += Int64(records.count)
        return places
    }

    /// Returns where the last whole record ends.
    static func scan(_ file: Int32, _ path: String, _ found: (ChunkSum, Int64, Int) -> Void)
        throws(TreeError) -> Int64
    {
        let size = try system { () throws(SystemError) in
            Int64(try TreePath.status(file, Array(path.utf8)).st_size)
        }
        var (place, head) = (Int64(0), [UInt8](repeating: 0, count: header))
        while place + Int64(header) <= size {
            guard pread(file, &head, header, off_t(place)) == header else { break }
            let length = head[ChunkSum.size...].reversed().reduce(0) { $0 << 8 | Int($1) }
            let start = place + Int64(header)
            guard length > 0, length <= ChunkCut.longest, start + Int64(length) <= size else {
                break
            }
            found(ChunkSum(head.prefix(ChunkSum.size)), start, length)
            place = start + Int64(length)
        }
        return place
    }
}
