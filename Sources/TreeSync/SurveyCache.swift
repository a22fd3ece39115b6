internal import Glibc
internal import LinuxSystem

/// The pieces of files as an earlier survey found them, by the files' stamps: of a tree in which nothing changed no contents are
/// read. A file on the head's disk; without it, or with a damaged one, everything is read.
struct SurveyCache {
    typealias Chunk = TreeManifest.Chunk
    private var known: [FileStamp: [Chunk]] = [:]
    private var seen: [FileStamp: [Chunk]] = [:]
    private let path: String?

    private static let magic = Array("martlet survey 1\n".utf8)
    /// Bytes of a cache that is read at all: that of some ten million files.
    private static let limit = 1 << 30

    init(_ path: String?) {
        self.path = path
        guard let path, let bytes = try? Files.read(path, limit: Self.limit),
            bytes.count > ChunkSum.size
        else { return }
        let body = Array(bytes.dropLast(ChunkSum.size))
        guard ChunkSum(of: body) == ChunkSum(bytes.suffix(ChunkSum.size)) else { return }
        // What does not read is not known.
        known = (try? Self.read(body)) ?? [:]
    }

    func chunks(of stamp: FileStamp) -> [Chunk]? { known[stamp] }

    /// - Parameter began: when the survey did. A file that was written at about that time could be written once more without
    ///   another stamp, where the file system's clock is coarse: it is read again next time.
    mutating func note(_ stamp: FileStamp, _ chunks: [Chunk], began: Int64) {
        let margin: Int64 = 2
        guard max(stamp.changed.seconds, stamp.modified.seconds) + margin < began else { return }
        seen[stamp] = chunks
    }

    /// What this survey has seen, for the next one.
    func write() {
        guard let path, seen != known else { return }
        var out = ByteWriter()
        out.bytes = Self.magic
        out.put(UInt64(seen.count))
        for (stamp, chunks) in seen {
            for number in [
                stamp.device, stamp.inode, UInt64(bitPattern: stamp.size),
                UInt64(bitPattern: stamp.modified.seconds), UInt64(stamp.modified.nanoseconds),
                UInt64(bitPattern: stamp.changed.seconds), UInt64(stamp.changed.nanoseconds),
                UInt64(chunks.count),
            ] { out.put(number) }
            for chunk in chunks {
                out.put(UInt64(chunk.length))
                out.bytes += chunk.sum.bytes
            }
        }
        let sum = ChunkSum(of: out.bytes)
        // Without it the next survey reads more.
        try? Files.writeAtomically(path, out.bytes + sum.bytes, mode: 0o600, durable: false)
    }

    private static func read(_ bytes: [UInt8]) throws(TreeError) -> [FileStamp: [Chunk]] {
        var reader = ByteReader(bytes)
        guard try reader.take(magic.count).elementsEqual(magic) else { return [:] }
        var known: [FileStamp: [Chunk]] = [:]
        for _ in 0..<(try reader.number(UInt64(TreeManifest.mostEntries))) {
            let (device, inode) = (try reader.word(), try reader.word())
            let size = Int64(bitPattern: try reader.word())
            let modified = try time(&reader)
            let changed = try time(&reader)
            var chunks: [Chunk] = []
            for _ in 0..<(try reader.number(UInt64(TreeManifest.mostChunks))) {
                let length = try reader.number(UInt64(ChunkCut.longest))
                chunks.append(
                    Chunk(sum: ChunkSum(try reader.take(ChunkSum.size)), length: length))
            }
            let stamp = FileStamp(
                device: device, inode: inode, size: size, modified: modified, changed: changed)
            known[stamp] = chunks
        }
        return known
    }

    private static func time(_ reader: inout ByteReader) throws(TreeError) -> ModificationTime {
        ModificationTime(
            seconds: Int64(bitPattern: try reader.word()),
            nanoseconds: Int64(try reader.number(999_999_999)))
    }
}
