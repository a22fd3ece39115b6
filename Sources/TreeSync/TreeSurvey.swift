internal import Glibc
internal import Layers
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
    let source: String
    /// Seconds since 1970.
    let began: Int64
    var cache: SurveyCache
    /// Bytes that a tree may have.
    private let limit: Int64?
    let progress: (_ entries: Int, _ bytes: Int64) -> Void
    var manifest = TreeManifest(entries: [], chunks: [], isFile: false)
    private var skipped: [String] = []
    /// Files, by their places, as they were listed: read when it is known how much they are.
    private(set) var files: [(place: Int, stamp: FileStamp)] = []
    var bytesRead: Int64 = 0
    var buffer: [UInt8] = []
    private struct Place: Hashable {
        let device: UInt64
        let inode: UInt64
        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }
    private var leftOut: Set<Place> = []
    /// What is to be left out: of each directory its own rules and then those above it, by the directory's place.
    private var rules: [Int: [IgnoreRules]] = [:]

    /// - Parameters:
    ///   - cache: the file that keeps what was read for the next survey; nil reads everything, and keeps nothing.
    ///   - without: directories that never go along, wherever they lie in it.
    ///   - limit: bytes that a tree may have: nothing of a larger one is read.
    ///   - progress: told how many entries were found, and how many bytes read, now and then.
    public static func run(
        _ source: String, cache: String? = nil, limit: Int64? = nil, without: [String] = [],
        progress: @escaping (_ entries: Int, _ bytes: Int64) -> Void = { _, _ in }
    ) throws(TreeError) -> SurveyedTree {
        var survey = TreeSurvey(source, cache, Clock.now() / 1000, limit, progress)
        survey.leaveOut(without)
        return try survey.run()
    }

    static func run(
        _ source: String, cache: String?, at time: Int64, limit: Int64? = nil,
        progress: @escaping (_ entries: Int, _ bytes: Int64) -> Void = { _, _ in }
    ) throws(TreeError) -> SurveyedTree {
        var survey = TreeSurvey(source, cache, time, limit, progress)
        return try survey.run()
    }

    private init(
        _ source: String, _ cache: String?, _ time: Int64, _ limit: Int64?,
        _ progress: @escaping (Int, Int64) -> Void
    ) {
        self.source = source
        self.limit = limit
        began = time
        self.cache = SurveyCache(cache)
        self.progress = progress
    }

    private mutating func leaveOut(_ directories: [String]) {
        for path in directories {
            var status = stat()
            // What is not there cannot go along.
            guard stat(path, &status) == 0 else { continue }
            leftOut.insert(Place(status))
        }
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
            try checkSize()
            try readFiles(in: root.raw)
        case S_IFREG:
            // Its directory is made for it, and is nobody's.
            manifest.isFile = true
            manifest.entries = [
                .init(
                    parent: 0, name: [], kind: .directory, mode: 0o755,
                    modified: ModificationTime(seconds: 0, nanoseconds: 0))
            ]
            let name = Array(RootedPath.split(source).name.utf8)
            list(name, in: 0, status)
            try checkSize()
            keep(try read(root.raw, name), at: 1)
        default:
            throw TreeError(
                .unfit, "\(source) is neither a directory nor a file",
                hint: "put what the tasks need into a directory, and mount that")
        }
        cache.write()
        return SurveyedTree(
            source, manifest, manifest.bytes, skipped: skipped, bytesRead: bytesRead)
    }

    private func checkSize() throws(TreeError) {
        let size = files.reduce(Int64(0)) { $0 &+ $1.stamp.size }
        guard let limit, size > limit else { return }
        throw TreeError(
            .tooLarge,
            "\(source) has \(DecimalSize.text(size)), and the node takes no more than \(DecimalSize.text(limit))",
            hint:
                "mount less of it, leave some out by a .martletignore, raise MARTLET_MOUNT_BUDGET where it is set, or put it where the nodes see it"
        )
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
        try readRules(names, in: reader.raw, place, path)
        for name in names { try look(at: name, in: reader.raw, place) }
        // Its directories have them by now.
        rules[place] = nil
    }

    private mutating func readRules(
        _ names: [[CChar]], in directory: Int32, _ place: Int, _ path: [UInt8]
    ) throws(TreeError) {
        var status = stat()
        let name = TreePath.c(IgnoreRules.name)
        // A link is none, as git has it.
        guard names.contains(name),
            fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
            status.st_mode & S_IFMT == S_IFREG
        else { return }
        let text = try reading(path + [UInt8(ascii: "/")] + IgnoreRules.name) {
            () throws(SystemError) in
            let file = try TreePath.open(IgnoreRules.name, in: directory, O_RDONLY)
            return try Files.read(file.raw, ".martletignore", limit: IgnoreRules.longest)
        }
        let own = IgnoreRules(text, in: place == 0 ? [] : path)
        rules[place, default: []].insert(own, at: 0)
    }

    /// The innermost rules that say anything decide.
    private func isIgnored(_ path: [UInt8], isDirectory: Bool, in parent: Int) -> Bool {
        rules[parent]?.lazy.compactMap { $0.ignores(path, isDirectory: isDirectory) }.first ?? false
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
                hint: "mount a part of it, or leave some of it out by a .martletignore")
        }
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        if isDirectory, leftOut.contains(Place(status)) { return }
        if rules[parent] != nil, isIgnored(path(), isDirectory: isDirectory, in: parent) { return }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            rules[manifest.entries.count] = rules[parent]
            add(parent: parent, bytes, .directory, status)
        case S_IFLNK:
            guard let target = TreePath.link(name, in: directory) else {
                throw changed(SystemError.last("readlink", TreePath.text(path())), path())
            }
            add(parent: parent, bytes, .link(target), status)
        case S_IFREG: list(bytes, in: parent, status)
        default: skipped.append(TreePath.text(path()))
        }
    }

    @discardableResult
    func reading<R: ~Copyable>(
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
                hint: "make it readable, or leave it out by a line in .martletignore")
        default: TreeError(error)
        }
    }

    func changes(_ path: [UInt8]) -> TreeError {
        TreeError(
            .changed, "\(source): \(TreePath.text(path)) changes while it is read",
            hint: "wait until nothing writes there, or leave it out by a line in .martletignore")
    }

    private mutating func list(_ name: [UInt8], in parent: Int, _ status: stat) {
        files.append((manifest.entries.count, FileStamp(status)))
        add(parent: parent, name, .file(0..<0), status)
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
        if manifest.entries.count % 1000 == 0 { progress(manifest.entries.count, 0) }
    }
}
