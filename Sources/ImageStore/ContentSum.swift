internal import CIsal
internal import Glibc

/// CRC-32C of a file's bytes: finds accidents at twice the speed of a CRC-64, which a pull has to pay for. Against forgery stand the
/// digests of blob and archive.
struct ContentSum: Hashable {
    private var crc = UInt32.max
    var value: UInt64 { UInt64(~crc) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        crc = cisal_crc32c(
            crc, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    static func of(_ bytes: [UInt8]) -> ContentSum {
        var sum = ContentSum()
        bytes.withUnsafeBytes { sum.add($0) }
        return sum
    }

    /// Of an open file from where it stands to its end.
    static func of(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(LayerError)
        -> ContentSum
    {
        var sum = ContentSum()
        while true {
            let count = read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LayerError(system: errno, "read") }
            if count == 0 { return sum }
            sum.add(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}

/// Sums that were taken while files were written, by inode: so that nothing is read again to be listed.
struct ContentSums {
    private var byInode: [ino_t: ContentSum] = [:]

    /// Of a file that has just been written. Nil where it was not summed, or where it has attributes, which are read anyway:
    /// its inode may have been another file's.
    mutating func note(_ file: Int32, _ sum: ContentSum?) throws(LayerError) {
        var status = stat()
        try Raw.check(fstat(file, &status), "stat")
        byInode[status.st_ino] = sum
    }

    subscript(inode: ino_t) -> ContentSum? { byInode[inode] }
}
