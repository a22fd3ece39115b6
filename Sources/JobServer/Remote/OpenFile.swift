internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// A file of a mirror that is being written or read, closed with its last user.
final class OpenFile {
    private let descriptor: OwnedFD
    var raw: Int32 { descriptor.raw }

    init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }

    /// Size and checksum of what is there; nothing where that is more than `limit`, which it can be no beginning of.
    func checksum(upTo limit: Int64, _ path: String) throws(SystemError) -> (Int64, Checksum) {
        var status = stat()
        try checkErrno(fstat(raw, &status), "stat", path)
        guard status.st_size <= limit else {
            try truncate(path)
            return (0, Checksum())
        }
        var (size, sum) = (Int64(0), Checksum())
        var buffer = [UInt8](repeating: 0, count: Int(min(Int64(status.st_size), 1 << 18)))
        while size < status.st_size {
            let count = try checkErrno(
                pread(raw, &buffer, buffer.count, off_t(size)), "read", path)
            if count == 0 { break }
            sum.add(buffer[..<count])
            size += Int64(count)
        }
        return (size, sum)
    }

    func size(_ path: String) throws(SystemError) -> Int64 {
        var status = stat()
        try checkErrno(fstat(raw, &status), "stat", path)
        return Int64(status.st_size)
    }

    func truncate(_ path: String) throws(SystemError) {
        try checkErrno(ftruncate(raw, 0), "truncate", path)
    }

    /// Fewer at the end of the file, and none behind it.
    func read(_ count: Int, at offset: Int64, _ path: String) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try checkErrno(pread(raw, &bytes, count, off_t(offset)), "read", path)
        return Array(bytes[..<got])
    }

    func write(_ bytes: ArraySlice<UInt8>, at offset: Int64, _ path: String) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(
                    raw, $0.baseAddress.map { $0 + written }, $0.count - written,
                    off_t(offset) + off_t(written))
            }
            if count < 0, errno == EINTR { continue }
            written += try checkErrno(count, "write", path)
        }
    }
}
