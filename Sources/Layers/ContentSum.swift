internal import CChecksum
internal import Glibc

/// CRC-32C of a file's bytes: finds accidents at twice the speed of a CRC-64, which a pull has to pay for. Against forgery stand the
/// digests of blob and archive.
package struct ContentSum: Hashable {
    private var crc = UInt32.max
    var value: UInt64 { UInt64(~crc) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        crc = cchecksum_crc32c(
            crc, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    static func of(_ bytes: [UInt8]) -> ContentSum {
        var sum = ContentSum()
        bytes.withUnsafeBytes { sum.add($0) }
        return sum
    }

    /// The same as so many zero bytes, at once: a hole may be longer than anybody reads.
    mutating func addZeros(_ count: Int64) {
        // What one zero bit makes of each bit of the register (the polynomial reflected), squared to a byte's.
        var zeros = [0x82F6_3B78] + (0..<31).map { UInt32(1) << UInt32($0) }
        for _ in 0..<3 { zeros = Self.square(zeros) }
        var left = count
        while left > 0 {
            if left & 1 == 1 { crc = Self.apply(zeros, crc) }
            zeros = Self.square(zeros)
            left >>= 1
        }
    }

    private static func apply(_ matrix: [UInt32], _ vector: UInt32) -> UInt32 {
        matrix.indices.reduce(0) { $0 ^ (vector >> UInt32($1) & 1 == 1 ? matrix[$1] : 0) }
    }

    private static func square(_ matrix: [UInt32]) -> [UInt32] { matrix.map { apply(matrix, $0) } }

    /// Of a whole open file, whose holes are not read.
    package static func of(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer)
        throws(LayerError)
        -> ContentSum
    {
        var status = stat()
        try Raw.check(fstat(file, &status), "stat")
        let size = status.st_size
        var sum = ContentSum()
        var offset: off_t = 0
        while offset < size {
            // Where the file system knows of no holes, and after the last data.
            var start = lseek(file, offset, Raw.seekData)
            if start < 0 { start = errno == ENXIO ? size : offset }
            sum.addZeros(Int64(start - offset))
            offset = start
            let hole = lseek(file, offset, Raw.seekHole)
            let end = hole > offset ? min(hole, size) : size
            while offset < end {
                let count = pread(file, buffer.baseAddress, min(buffer.count, end - offset), offset)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw LayerError(system: errno, "read") }
                // It became shorter just now: the record's size will not be right either.
                if count == 0 { return sum }
                sum.add(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                offset += off_t(count)
            }
        }
        return sum
    }
}

/// Sums that were taken while files were written, by inode: so that nothing is read again to be listed.
package struct ContentSums {
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
