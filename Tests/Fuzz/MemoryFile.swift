import CLinux
import Glibc

@testable import ImageStore
@testable import Layers

/// A file that holds these bytes and is nowhere.
final class MemoryFile {
    let descriptor: Int32

    init(_ bytes: [UInt8] = []) {
        descriptor = cl_memfd("fuzz")
        guard descriptor >= 0, pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
            fatalError("memfd")
        }
    }

    deinit { close(descriptor) }

    var content: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        pread(descriptor, &bytes, bytes.count, 0)
        return bytes
    }
}

enum Packed {
    static func gzip(_ bytes: [UInt8], _ inflater: Inflater) -> [UInt8] {
        let (source, target) = (MemoryFile(bytes), MemoryFile())
        do {
            try GzipWriter.compress(source.descriptor, to: target.descriptor, with: inflater)
        } catch { fatalError("\(error)") }
        return target.content
    }

    /// A frame of one raw block (RFC 8878 §3.1.1).
    static func zstd(_ bytes: [UInt8]) -> [UInt8] {
        let block = bytes.prefix(100_000)
        let header = block.count << 3 | 1
        return [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]
            + [UInt8(header & 0xff), UInt8(header >> 8 & 0xff), UInt8(header >> 16)] + block
    }
}
