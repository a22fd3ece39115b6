internal import Glibc
internal import LinuxSystem

/// Where pieces and whole files of a new tree are to be had on this node: in trees that are here, and in what has come for this one or
/// for others that are not whole yet.
struct TreeDonors {
    enum Place {
        /// Of a pack, by number.
        case pack(Int, at: Int64)
        /// Of a file in a tree, by number.
        case file(Int, entry: Int, at: Int64)
    }

    /// What makes two files the same inode's worth.
    struct FileKey: Hashable {
        let mode: UInt32
        let modified: ModificationTime
        /// Of its pieces' digests together.
        let contents: ChunkSum
    }

    struct Tree {
        let manifest: TreeManifest
        let root: Int32
    }

    private(set) var trees: [Tree] = []
    private var packs: [Int32] = []
    private var pieces: [ChunkSum: Place] = [:]
    private var files: [FileKey: (tree: Int, entry: Int)] = [:]
    private var openFile: (tree: Int, entry: Int, fd: Int32)?
    /// This tree's own, which is closed by who opened it.
    private var ownPack: Int?

    /// Trees that are looked into at most, the last wanted first: those of one source are among them while it is worked on.
    private static let mostTrees = 16
    private static let mostEntries = 2_000_000

    /// - Parameter digest: of the tree that is wanted.
    init(_ store: TreeStore, for digest: ChunkSum) {
        var entries = 0
        for (other, _) in store.trees().prefix(Self.mostTrees) {
            guard entries < Self.mostEntries,
                let manifest = store.manifest(in: store.tree(other), other),
                let root = try? OwnedFD.open(store.root(other), O_RDONLY | O_DIRECTORY)
            else { continue }
            entries += manifest.entries.count
            add(Tree(manifest: manifest, root: root.release()))
        }
        for name in (try? Files.names(in: store.directory)) ?? []
        where name.hasSuffix(TreeStore.partly) && store.part(digest) != store.directory + "/" + name
        {
            let path = store.directory + "/" + name + "/pack"
            guard let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW) else { continue }
            let raw = file.release()
            let number = packs.count
            packs.append(raw)
            // Of one that is being written what is whole counts.
            _ = try? TreePack.scan(raw, path) { sum, offset, _ in
                pieces[sum] = pieces[sum] ?? .pack(number, at: offset)
            }
        }
    }

    func close() {
        for tree in trees { Glibc.close(tree.root) }
        for (number, pack) in packs.enumerated() where number != ownPack { Glibc.close(pack) }
        if let openFile { Glibc.close(openFile.fd) }
    }

    private mutating func add(_ tree: Tree) {
        let number = trees.count
        trees.append(tree)
        for (place, entry) in tree.manifest.entries.enumerated() {
            guard case .file(let range) = entry.kind else { continue }
            var offset: Int64 = 0
            for chunk in tree.manifest.chunks[range] {
                if pieces[chunk.sum] == nil {
                    pieces[chunk.sum] = .file(number, entry: place, at: offset)
                }
                offset += Int64(chunk.length)
            }
            let key = Self.key(entry, tree.manifest.chunks[range])
            if files[key] == nil { files[key] = (number, place) }
        }
    }

    static func key(_ entry: TreeManifest.Entry, _ chunks: ArraySlice<TreeManifest.Chunk>)
        -> FileKey
    {
        FileKey(
            mode: entry.mode, modified: entry.modified,
            contents: chunks.count == 1
                ? chunks[chunks.startIndex].sum : ChunkSum(of: chunks.flatMap(\.sum.bytes)))
    }

    mutating func setOwnPack(_ file: Int32) {
        ownPack = packs.count
        packs.append(file)
    }

    /// What came for this tree is nearer than what others have.
    mutating func addOwn(_ sum: ChunkSum, at offset: Int64) {
        guard let ownPack else { return }
        pieces[sum] = .pack(ownPack, at: offset)
    }

    func has(_ sum: ChunkSum) -> Bool { pieces[sum] != nil }

    func file(like key: FileKey) -> (tree: Tree, entry: Int)? {
        files[key].map { (trees[$0.tree], $0.entry) }
    }

    /// The piece's bytes, verified. Nil where they are not what they were, or gone: it has to come anew.
    mutating func bytes(_ chunk: TreeManifest.Chunk) -> [UInt8]? {
        guard let place = pieces[chunk.sum] else { return nil }
        let bytes: [UInt8]?
        switch place {
        case .pack(let number, let offset): bytes = Self.read(packs[number], offset, chunk.length)
        case .file(let tree, let entry, let offset):
            bytes = descriptor(tree, entry).flatMap { Self.read($0, offset, chunk.length) }
        }
        if let bytes, ChunkSum(of: bytes) == chunk.sum { return bytes }
        pieces[chunk.sum] = nil
        return nil
    }

    private mutating func descriptor(_ tree: Int, _ entry: Int) -> Int32? {
        if let openFile, openFile.tree == tree, openFile.entry == entry { return openFile.fd }
        if let openFile { Glibc.close(openFile.fd) }
        openFile = nil
        let path = trees[tree].manifest.path(of: entry)
        guard let file = try? TreePath.open(path, in: trees[tree].root, O_RDONLY) else {
            return nil
        }
        let fd = file.release()
        openFile = (tree, entry, fd)
        return fd
    }

    private static func read(_ file: Int32, _ offset: Int64, _ length: Int) -> [UInt8]? {
        var filled = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            while filled < length {
                let got = pread(
                    file, buffer.baseAddress.map { $0 + filled }, length - filled,
                    off_t(offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                if got <= 0 { break }
                filled += got
            }
            count = filled
        }
        return filled == length ? bytes : nil
    }
}
