internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// Sends files of an attempt, and opens each only when its turn comes.
final class FileReadStream: AgentStream {
    private let root: OwnedFD
    private var parts: ArraySlice<FileRead.Part>
    private var file: Int32?
    private var sent: Int64 = 0

    /// Below the attempt's directory.
    init(_ parts: [FileRead.Part], in directory: String) throws(SystemError) {
        root = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        self.parts = parts[...]
    }

    deinit { close() }

    func next(_ limit: Int) -> StreamPiece {
        while let part = parts.first {
            do throws(SystemError) {
                if file == nil { file = try Self.open(part.path, in: root.raw).release() }
                guard let file else { continue }
                let wanted = min(Int64(limit), part.length - sent)
                guard wanted > 0 else {
                    close()
                    parts = parts.dropFirst()
                    continue
                }
                let bytes = try Self.read(
                    file, Int(wanted), at: part.offset + sent, part.path)
                guard !bytes.isEmpty else { return .end("\(part.path): it has become shorter") }
                sent += Int64(bytes.count)
                return .bytes(bytes)
            } catch { return .end("\(part.path): \(SystemError.text(error.errno))") }
        }
        return .end(nil)
    }

    func headEnded(_ reason: String?) {}

    func close() {
        if let file { Glibc.close(file) }
        (file, sent) = (nil, 0)
    }

    /// A regular file below `root`. The task may have made what leads to it, so no link is followed, and nothing waited for.
    static func open(_ path: String, in root: Int32) throws(SystemError) -> OwnedFD {
        let file = try RootedPath.open(
            root: root, "/" + path, O_RDONLY | O_NONBLOCK | O_NOCTTY, followLinks: false)
        var status = stat()
        try checkErrno(fstat(file.raw, &status), "stat", path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("read", path, errno: EINVAL, hint: "it is no regular file")
        }
        return file
    }

    static func read(_ file: Int32, _ count: Int, at offset: Int64, _ path: String)
        throws(SystemError) -> [UInt8]
    {
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            got = pread(file, buffer.baseAddress, count, off_t(offset))
            filled = max(got, 0)
        }
        try checkErrno(got, "read", path)
        return bytes
    }
}
