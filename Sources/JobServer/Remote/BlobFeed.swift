internal import Glibc
internal import ImageStore
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Threads

/// A blob of the store on its way to nodes: each part of it is hashed once for all of them, and none of it is kept in memory.
final class BlobFeed: Sendable {
    let blob: Descriptor
    private let file: OwnedFD
    /// Of parts, by where they begin.
    private let sums = Monitor<[Int64: Digest]>([:])

    static let piece = 256 << 10

    init(_ blob: Descriptor, _ file: consuming OwnedFD) {
        self.blob = blob
        self.file = file
    }

    /// Bytes of the part that begins at `offset`: parts end where all of them do, however they began.
    func length(at offset: Int64) -> Int64 {
        let part = Int64(DeliveryFrame.chunk)
        return min(blob.size, (offset / part + 1) * part) - offset
    }

    func sum(at offset: Int64) throws(ImageError) -> Digest {
        if let known = sums.quietly({ $0[offset] }) { return known }
        var sum = SHA256Sum()
        var place = offset
        let end = offset + length(at: offset)
        while place < end {
            let bytes = try piece(at: place, before: end)
            bytes.withUnsafeBytes { sum.update($0) }
            place += Int64(bytes.count)
        }
        let digest = sum.finish()
        sums.quietly { $0[offset] = digest }
        return digest
    }

    /// The next bytes, fewer than 256 KiB.
    func piece(at offset: Int64, before end: Int64) throws(ImageError) -> [UInt8] {
        let length = Int(min(end - offset, Int64(Self.piece)))
        var bytes = [UInt8](repeating: 0, count: length)
        while true {
            let count = pread(file.raw, &bytes, length, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw ImageError(
                    .corrupt, "read", "blob \(blob.digest.short)",
                    "it ends after \(offset) of \(blob.size) bytes",
                    hint: "martlet image verify finds what else is damaged")
            }
            return Array(bytes[..<count])
        }
    }
}
