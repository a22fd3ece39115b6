internal import Glibc
public import JobModel
internal import Layers
public import LinuxSystem

/// The trees that a node has, by their manifests' digests, each in a directory of that name: `manifest` and `root`, the tree itself.
/// One that is not whole yet has `.part` behind its name, and beside these the pieces that have come. Nothing in a whole one changes.
///
/// A job holds its trees by a file of its number in the run directory, which a reboot empties, as nothing runs any more then.
public struct TreeStore: Sendable {
    let directory: String
    private let holds: String

    public init(_ directories: Directories) {
        directory = directories.data + "/trees"
        holds = directories.run + "/trees"
    }

    func tree(_ digest: ChunkSum) -> String { directory + "/" + digest.hex }
    func part(_ digest: ChunkSum) -> String { tree(digest) + Self.partly }
    func root(_ digest: ChunkSum) -> String { tree(digest) + "/root" }
    static let partly = ".part"
    static let manifest = "/manifest"

    func make() throws(SystemError) {
        try Files.makePrivateDirectory(directory)
        try Files.makePrivateDirectory(holds)
    }

    /// Nobody else holds or removes a tree meanwhile.
    func locked<R>(_ body: () throws(SystemError) -> R) throws(SystemError) -> R {
        try Self.under(try FileLock.wait(directory + "/lock"), body)
    }

    /// Nobody else makes this tree meanwhile. Some others wait for the same lock: there are no more than 256, since a lock's file
    /// can never go.
    func making<R>(_ digest: ChunkSum, _ body: () throws(TreeError) -> R) throws(TreeError) -> R {
        let lock = try system { () throws(SystemError) in
            try FileLock.wait(directory + "/lock-" + digest.hex.prefix(2))
        }
        return try Self.under(lock, body)
    }

    private static func under<R, E: Error>(_ lock: consuming FileLock, _ body: () throws(E) -> R)
        throws(E) -> R
    {
        let result: Result<R, E>
        do throws(E) { result = .success(try body()) } catch { result = .failure(error) }
        _ = consume lock
        return try result.get()
    }

    // MARK: Durability

    /// In a tree that may not be on disk yet: the boot in which it was made. Until the next one what was written can be read; after
    /// it nobody knows what of it there is.
    static let unflushed = "/unflushed"

    static func bootID() -> String {
        // Where /proc is hidden, no tree outlives its first use.
        (try? Files.text("/proc/sys/kernel/random/boot_id")) ?? "unknown"
    }

    /// Whether a tree is here, and all of it.
    func isWhole(_ digest: ChunkSum) -> Bool {
        guard Files.exists(root(digest)) else { return false }
        let mark = tree(digest) + Self.unflushed
        return !Files.exists(mark) || (try? Files.text(mark)) == Self.bootID()
    }

    /// Brings trees to the disk; those that processes made which were killed before they did, too.
    func flush() {
        let marks = trees().map { tree($0.digest) + Self.unflushed }.filter(Files.exists)
        guard !marks.isEmpty, let folder = try? OwnedFD.open(directory, O_RDONLY | O_DIRECTORY),
            (try? Files.flushFileSystem(folder.raw)) != nil
        else { return }
        for mark in marks { unlink(mark) }
    }

    // MARK: Holds

    /// Keeps a tree for a job; false where it is not here, or not whole.
    func hold(_ digest: ChunkSum, for job: JobID) throws(SystemError) -> Bool {
        try locked { () throws(SystemError) in
            guard isWhole(digest) else { return false }
            let path = holds + "/\(job)"
            let held = (try? Files.text(path)) ?? ""
            if !held.contains(digest.hex) {
                try Files.writeAtomically(
                    path, (held + digest.hex + "\n").utf8, mode: 0o600, durable: false)
            }
            // When it was last wanted.
            utimensat(AT_FDCWD, tree(digest), nil, 0)
            return true
        }
    }

    /// The job needs its trees no more. Quick, and fine where it has none.
    public func release(_ job: JobID) { unlink(holds + "/\(job)") }

    /// No other job needs any.
    public func releaseAll(but needed: [JobID]) {
        let kept = Set(needed.map { "\($0)" })
        // No directory, nothing held.
        for name in (try? Files.names(in: holds)) ?? [] where !kept.contains(name) {
            unlink(holds + "/" + name)
        }
    }

    func held() -> Set<String> {
        var digests: Set<String> = []
        for name in (try? Files.names(in: holds)) ?? [] {
            // One that is released just now holds nothing.
            let text = (try? Files.text(holds + "/" + name)) ?? ""
            digests.formUnion(text.split(separator: "\n").map(String.init))
        }
        return digests
    }

    // MARK: What is here

    /// Digests of whole trees, the last wanted first.
    func trees() -> [(digest: ChunkSum, wanted: Int64)] {
        var found: [(digest: ChunkSum, wanted: Int64)] = []
        for name in (try? Files.names(in: directory)) ?? [] {
            var status = stat()
            guard let digest = ChunkSum(hex: name), isWhole(digest),
                stat(directory + "/" + name, &status) == 0
            else { continue }
            found.append((digest, Int64(status.st_mtim.tv_sec)))
        }
        return found.sorted { ($0.wanted, $0.digest.hex) > ($1.wanted, $1.digest.hex) }
    }

    /// Of a whole tree, or of one that is not; nil where it is damaged: then it is of no use.
    func manifest(in folder: String, _ digest: ChunkSum) -> TreeManifest? {
        guard let bytes = try? Files.read(folder + Self.manifest, limit: TreeOrder.longestManifest),
            ChunkSum(of: bytes) == digest
        else { return nil }
        return try? TreeManifest(bytes: bytes)
    }

    // MARK: Removal

    private static let hidden = ".gone-"

    /// Takes a tree out of sight at once, to be removed later. False where it has gone.
    func hide(_ name: String) -> Bool {
        let gone = Self.hidden + "\(getpid())-\(UInt32.random(in: 0 ... .max))"
        return rename(directory + "/" + name, directory + "/" + gone) == 0
    }

    /// Those of killed processes, too. What cannot be removed now is after the next tree.
    func removeHidden() {
        for name in (try? Files.names(in: directory)) ?? [] where name.hasPrefix(Self.hidden) {
            try? TreeRemoval.remove(path: directory + "/" + name)
        }
    }
}
