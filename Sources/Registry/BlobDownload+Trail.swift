internal import Glibc

/// What a download keeps in its file behind the blob, so that another process can go on with it: the size of its chunks (eight
/// bytes, as they lie in memory), then one byte for each, 1 once the chunk is whole.
///
/// Only digests are believed: a trail that outlived its chunks, as after a power cut, costs a second download at most.
struct DownloadTrail: Sendable {
    private let descriptor: Int32
    private let size: Int64
    private let chunkSize: Int64
    private let count: Int

    init(_ descriptor: Int32, size: Int64, chunkSize: Int64, count: Int) {
        self.descriptor = descriptor
        self.size = size
        self.chunkSize = chunkSize
        self.count = count
    }

    private var length: Int { MemoryLayout<Int64>.size + count }

    /// Which chunks are whole; begins a new trail where the file has none of this form. Best effort, as is `mark`: without a
    /// trail a download that was interrupted begins anew.
    func read() -> [Bool] {
        var status = stat()
        var trail = [UInt8](repeating: 0, count: length)
        let fits = fstat(descriptor, &status) == 0 && status.st_size == size + Int64(length)
        if fits, pread(descriptor, &trail, length, off_t(size)) == length,
            trail.withUnsafeBytes({ $0.loadUnaligned(as: Int64.self) }) == chunkSize
        {
            return trail.suffix(count).map { $0 == 1 }
        }
        _ = ftruncate(descriptor, 0)
        _ = ftruncate(descriptor, off_t(size) + off_t(length))
        withUnsafeBytes(of: chunkSize) {
            _ = pwrite(descriptor, $0.baseAddress, $0.count, off_t(size))
        }
        return Array(repeating: false, count: count)
    }

    func mark(_ chunk: Int) {
        var whole: UInt8 = 1
        _ = pwrite(descriptor, &whole, 1, off_t(size) + off_t(MemoryLayout<Int64>.size + chunk))
    }
}
