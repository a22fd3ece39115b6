internal import Glibc
internal import LinuxSystem

// What files hold.

extension TreeSurvey {
    struct Contents {
        let chunks: [TreeManifest.Chunk]
        /// When they were read.
        let status: stat
    }

    /// Of all that were listed what an earlier survey does not know.
    mutating func readFiles(in root: Int32) throws(TreeError) {
        for (place, stamp) in files {
            if let known = cache.chunks(of: stamp) {
                keep(known, stamp, at: place)
                continue
            }
            let path = manifest.path(of: place)
            let file = try reading(path) { () throws(SystemError) in
                try TreePath.open(path, in: root, O_RDONLY)
            }
            keep(try read(file.raw, path), at: place)
        }
    }

    mutating func keep(_ contents: Contents, at place: Int) {
        // It may have another mode and time than when it was listed.
        manifest.entries[place].mode = UInt32(contents.status.st_mode & 0o777)
        manifest.entries[place].modified = ModificationTime(contents.status.st_mtim)
        keep(contents.chunks, FileStamp(contents.status), at: place)
    }

    private mutating func keep(
        _ chunks: [TreeManifest.Chunk], _ stamp: FileStamp, at place: Int
    ) {
        cache.note(stamp, chunks, began: began)
        let start = manifest.chunks.count
        manifest.chunks += chunks
        manifest.entries[place].kind = .file(start..<manifest.chunks.count)
    }

    /// Bytes from one report of progress to the next.
    private static let stride: Int64 = 64 << 20
    /// A file that is written meanwhile is read once more.
    private static let rounds = 3

    mutating func read(_ file: Int32, _ path: [UInt8]) throws(TreeError) -> Contents {
        for _ in 0..<Self.rounds {
            let before = try system { () throws(SystemError) in try TreePath.status(file, path) }
            guard before.st_mode & S_IFMT == S_IFREG else { break }
            try system { () throws(SystemError) in
                try checkErrno(lseek(file, 0, SEEK_SET), "seek", TreePath.text(path))
            }
            let (chunks, count) = try cut(file, path)
            let after = try system { () throws(SystemError) in try TreePath.status(file, path) }
            guard FileStamp(before) == FileStamp(after), count == Int64(after.st_size) else {
                continue
            }
            return Contents(chunks: chunks, status: after)
        }
        throw changes(path)
    }

    /// The pieces of an open file, and how many bytes they have together.
    private mutating func cut(_ file: Int32, _ path: [UInt8]) throws(TreeError) -> (
        [TreeManifest.Chunk], Int64
    ) {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: 4 * ChunkCut.longest) }
        var chunks: [TreeManifest.Chunk] = []
        var (start, end, count) = (0, 0, Int64(0))
        var isAtEnd = false
        while true {
            if end - start < ChunkCut.longest, !isAtEnd {
                buffer.withUnsafeMutableBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    memmove(base, base + start, end - start)
                }
                (start, end) = (0, end - start)
                while end < buffer.count {
                    let got = try fill(file, from: end, path)
                    isAtEnd = got == 0
                    if isAtEnd { break }
                    end += got
                }
            }
            if start == end { break }
            let chunk = buffer[start..<end].withUnsafeBytes { bytes in
                let piece = UnsafeRawBufferPointer(rebasing: bytes[..<ChunkCut.first(of: bytes)])
                return TreeManifest.Chunk(sum: ChunkSum(of: piece), length: piece.count)
            }
            chunks.append(chunk)
            start += chunk.length
            count += Int64(chunk.length)
            bytesRead += Int64(chunk.length)
            if bytesRead / Self.stride != (bytesRead - Int64(chunk.length)) / Self.stride {
                progress(manifest.entries.count, bytesRead)
            }
        }
        return (chunks, count)
    }

    private mutating func fill(_ file: Int32, from place: Int, _ path: [UInt8])
        throws(TreeError) -> Int
    {
        while true {
            let got = buffer.withUnsafeMutableBytes {
                Glibc.read(file, $0.baseAddress.map { $0 + place }, $0.count - place)
            }
            if got < 0, errno == EINTR { continue }
            return try reading(path) { () throws(SystemError) in
                try checkErrno(got, "read", TreePath.text(path))
            }
        }
    }
}
