internal import Glibc
internal import LinuxSystem

/// Gives the pieces of a surveyed tree's files, as they were: of a file that has changed since none is given.
public final class TreeReader {
    private let tree: SurveyedTree
    private let root: OwnedFD
    /// Places of files among the entries, ascending as their pieces are.
    private let files: [Int]
    /// Of each piece, in its file.
    private let offsets: [Int64]
    private var open: (file: Int, fd: Int32)?

    public init(_ tree: SurveyedTree) throws(TreeError) {
        self.tree = tree
        let source = tree.source
        root = try system { () throws(SystemError) in
            try OwnedFD.open(source, O_RDONLY | O_NONBLOCK)
        }
        var offsets: [Int64] = []
        for case .file(let pieces) in tree.manifest.entries.map(\.kind) {
            var offset: Int64 = 0
            for chunk in tree.manifest.chunks[pieces] {
                offsets.append(offset)
                offset += Int64(chunk.length)
            }
        }
        self.offsets = offsets
        files = tree.manifest.entries.indices.filter { place in
            if case .file(let pieces) = tree.manifest.entries[place].kind {
                return !pieces.isEmpty
            }
            return false
        }
    }

    deinit { if let open { close(open.fd) } }

    /// The bytes of one of the manifest's `chunks`. Throws `.changed` where they are no more to be had.
    public func bytes(of chunk: Int) throws(TreeError) -> [UInt8] {
        let file = files[place(of: chunk)]
        let wanted = tree.manifest.chunks[chunk]
        let bytes = try read(try descriptor(of: file), offsets[chunk], wanted.length, file)
        guard ChunkSum(of: bytes) == wanted.sum else { throw changed(file) }
        return bytes
    }

    /// The last file whose pieces begin at or before `chunk`.
    private func place(of chunk: Int) -> Int {
        var (low, high) = (0, files.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if case .file(let pieces) = tree.manifest.entries[files[middle]].kind,
                pieces.lowerBound <= chunk
            {
                low = middle
            } else {
                high = middle
            }
        }
        return low
    }

    private func descriptor(of file: Int) throws(TreeError) -> Int32 {
        if let open, open.file == file { return open.fd }
        if let open { close(open.fd) }
        open = nil
        if tree.manifest.isFile { return root.raw }
        do throws(SystemError) {
            let path = tree.manifest.path(of: file)
            let fd = try TreePath.open(path, in: root.raw, O_RDONLY).release()
            open = (file, fd)
            return fd
        } catch {
            guard [ENOENT, ENOTDIR, ELOOP].contains(error.errno) else { throw TreeError(error) }
            throw changed(file)
        }
    }

    private func read(_ fd: Int32, _ offset: Int64, _ length: Int, _ file: Int) throws(TreeError)
        -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0, count: length)
        var filled = 0
        while filled < length {
            let got = bytes.withUnsafeMutableBytes {
                pread(
                    fd, $0.baseAddress.map { $0 + filled }, length - filled,
                    off_t(offset) + off_t(filled))
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                throw TreeError(SystemError.last("read", tree.manifest.text(of: file)))
            }
            guard got > 0 else { throw changed(file) }
            filled += got
        }
        return bytes
    }

    private func changed(_ file: Int) -> TreeError {
        TreeError(
            .changed,
            "\(tree.source): \(tree.manifest.text(of: file)) has changed since it was surveyed")
    }
}
