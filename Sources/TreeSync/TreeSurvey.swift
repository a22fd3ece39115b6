internal import Glibc
internal import LinuxSystem

/// A tree of the head's machine as it was when it was surveyed.
public struct SurveyedTree: Sendable {
    /// As the spec names it.
    public let source: String
    public let manifest: TreeManifest
    public let bytes: [UInt8]
    /// The manifest's: names the tree.
    public let digest: ChunkSum
    /// Paths of what cannot be brought: sockets, pipes, devices.
    public let skipped: [String]
    /// Bytes of files that were read; those of others were known.
    public let bytesRead: Int64

    /// One that was surveyed before, from its manifest's bytes.
    public init(source: String, bytes: [UInt8]) throws(TreeError) {
        self.init(source, try TreeManifest(bytes: bytes), bytes, skipped: [], bytesRead: 0)
    }

    init(
        _ source: String, _ manifest: TreeManifest, _ bytes: [UInt8], skipped: [String],
        bytesRead: Int64
    ) {
        self.source = source
        self.manifest = manifest
        self.bytes = bytes
        self.skipped = skipped
        self.bytesRead = bytesRead
        digest = ChunkSum(of: bytes)
    }
}

/// Reads a tree, by descriptors: no link in it is followed, and none leads out of it. Blocks.
public struct TreeSurvey {
    private let source: String
    /// Seconds since 1970.
    private let began: Int64
    private var cache: SurveyCache
    private let progress: (_ entries: Int) -> Void
    private var manifest = TreeManifest(entries: [], chunks: [], isFile: false)
    private var skipped: [String] = []
    private var bytesRead: Int64 = 0
    private var buffer: [UInt8] = []

    /// - Parameters:
    ///   - cache: the file that keeps what was read for the next survey; nil reads everything, and keeps nothing.
    ///   - progress: told how many entries were found, now and then.
    public static func run(
        _ source: String, cache: String? = nil,
        progress: @escaping (_ entries: Int) -> Void = { _ in }
    ) throws(TreeError) -> SurveyedTree {
        try run(source, cache: cache, at: Clock.now() / 1000, progress: progress)
    }

    static func run(
        _ source: String, cache: String?, at time: Int64,
        progress: @escaping (_ entries: Int) -> Void = { _ in }
    ) throws(TreeError) -> SurveyedTree {
        var survey = TreeSurvey(source, cache, time, progress)
        return try survey.run()
    }

    private init(
        _ source: String, _ cache: String?, _ time: Int64, _ progress: @escaping (Int) -> Void
    ) {
        self.source = source
        began = time
        self.cache = SurveyCache(cache)
        self.progress = progress
    }

    private mutating func run() throws(TreeError) -> SurveyedTree {
        // The mount's own source may be a link, as it may be where it is mounted.
        let root = try system { () throws(SystemError) in
            try OwnedFD.open(source, O_RDONLY | O_NONBLOCK)
        }
        let status = try system { () throws(SystemError) in
            try TreePath.status(root.raw, Array(source.utf8))
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            add(parent: 0, [], .directory, status)
            try walk(root.raw)
        case S_IFREG:
            // Its directory is made for it, and is nobody's.
            manifest.isFile = true
            manifest.entries = [
                .init(
                    parent: 0, name: [], kind: .directory, mode: 0o755,
                    modified: ModificationTime(seconds: 0, nanoseconds: 0))
            ]
            let name = Array(RootedPath.split(source).name.utf8)
            let pieces = try read(root.raw, name)
            add(parent: 0, name, .file(pieces.range), pieces.status)
        default:
            throw TreeError(
                .unfit, "\(source) is neither a directory nor a file",
                hint: "put what the tasks need into a directory, and mount that")
        }
        cache.write()
        return SurveyedTree(
            source, manifest, manifest.bytes, skipped: skipped, bytesRead: bytesRead)
    }

    // MARK: Directories

    /// One directory after the other, in the order in which they were found.
    private mutating func walk(_ root: Int32) throws(TreeError) {
        var next = 0
        while next < manifest.entries.count {
            if case .directory = manifest.entries[next].kind { try list(next, root) }
            next += 1
        }
    }

    private mutating func list(_ place: Int, _ root: Int32) throws(TreeError) {
        let path = manifest.path(of: place)
        guard path.count < TreeManifest.longestPath - 256 else {
            throw TreeError(.unfit, "\(source): \(TreePath.text(path)) lies too deep")
        }
        let reader = try reading(path) { () throws(SystemError) in
            try DirectoryReader(
                try TreePath.open(path, in: root, O_RDONLY | O_DIRECTORY), TreePath.text(path))
        }
        var names: [[CChar]] = []
        while let entry = reader.next() { names.append(entry.name) }
        names.sort { a, b in
            a.lexicographicallyPrecedes(b) { UInt8(bitPattern: $0) < UInt8(bitPattern: $1) }
        }
        for name in names { try look(at: name, in: reader.raw, place) }
    }

    private mutating func look(at name: [CChar], in directory: Int32, _ parent: Int)
        throws(TreeError)
    {
        let bytes = name.dropLast().map { UInt8(bitPattern: $0) }
        func path() -> [UInt8] {
            parent == 0 ? bytes : manifest.path(of: parent) + [UInt8(ascii: "/")] + bytes
        }
        var status = stat()
        try reading(path()) { () throws(SystemError) in
            try checkErrno(
                fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW), "stat",
                TreePath.text(path()))
        }
        guard manifest.entries.count < TreeManifest.mostEntries else {
            throw TreeError(
                .tooLarge, "\(source) holds more than \(TreeManifest.mostEntries) files",
                hint: "mount a part of it, or pack it into the image")
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: add(parent: parent, bytes, .directory, status)
        case S_IFLNK:
            guard let target = TreePath.link(name, in: directory) else {
                throw changed(SystemError.last("readlink", TreePath.text(path())), path())
            }
            add(parent: parent, bytes, .link(target), status)
        case S_IFREG:
            let pieces: Pieces
            if let known = cache.chunks(of: FileStamp(status)) {
                pieces = keep(known, FileStamp(status), status)
            } else {
                let file = try reading(path()) { () throws(SystemError) in
                    try TreePath.open(bytes, in: directory, O_RDONLY)
                }
                pieces = try read(file.raw, path())
            }
            add(parent: parent, bytes, .file(pieces.range), pieces.status)
        default: skipped.append(TreePath.text(path()))
        }
    }

    @discardableResult
    private func reading<R: ~Copyable>(
        _ path: @autoclosure () -> [UInt8], _ body: () throws(SystemError) -> R
    ) throws(TreeError) -> R {
        do throws(SystemError) { return try body() } catch { throw changed(error, path()) }
    }

    /// What has gone since it was listed was changed, and the survey with it.
    private func changed(_ error: SystemError, _ path: [UInt8]) -> TreeError {
        switch error.errno {
        case ENOENT, ENOTDIR, ELOOP: changes(path)
        case EACCES, EPERM:
            TreeError(
                .unfit, "\(source): \(error)",
                hint: "make it readable, or mount a directory without it")
        default: TreeError(error)
        }
    }

    private func changes(_ path: [UInt8]) -> TreeError {
        TreeError(
            .changed, "\(source): \(TreePath.text(path)) changes while it is read",
            hint: "wait until nothing writes there")
    }

    private mutating func add(
        parent: Int, _ name: [UInt8], _ kind: TreeManifest.Kind, _ status: stat
    ) {
        let isLink = status.st_mode & S_IFMT == S_IFLNK
        manifest.entries.append(
            .init(
                parent: parent, name: name, kind: kind,
                mode: isLink ? 0o777 : UInt32(status.st_mode & 0o777),
                modified: ModificationTime(status.st_mtim)))
        if manifest.entries.count % 1000 == 0 { progress(manifest.entries.count) }
    }

    // MARK: Contents

    private struct Pieces {
        let range: Range<Int>
        let status: stat
    }

    /// A file that is written meanwhile is read once more.
    private static let rounds = 3

    private mutating func read(_ file: Int32, _ path: [UInt8]) throws(TreeError) -> Pieces {
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
            return keep(chunks, FileStamp(after), after)
        }
        throw changes(path)
    }

    private mutating func keep(
        _ chunks: [TreeManifest.Chunk], _ stamp: FileStamp, _ status: stat
    ) -> Pieces {
        cache.note(stamp, chunks, began: began)
        let start = manifest.chunks.count
        manifest.chunks += chunks
        return Pieces(range: start..<manifest.chunks.count, status: status)
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
        }
        bytesRead += count
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
