internal import Glibc
internal import Layers
internal import Registry
internal import Threads

/// What a layer's archive says that its unpacked files do not: whose they are, and what is in those that not even their
/// owner may read, such as some systems' /etc/shadow.
final class LayerRecord {
    private struct Found: Sendable {
        var owners: [EntryName: (uid: UInt32, gid: UInt32)] = [:]
        var contents: [EntryName: (offset: Int64, size: Int64)] = [:]
    }
    private var found = Found()
    /// Holds the contents.
    let descriptor: Int32

    /// Takes over the descriptor of the layer's blob; nil knows nothing. `path` is for a file without a name.
    init(_ blob: Int32?, _ size: Int64, _ expansion: LayerExpansion, keepingIn path: String)
        throws(LayerError)
    {
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try Raw.check(descriptor, "create")
        unlink(path)
        guard let blob else { return }
        defer { close(blob) }
        if size > 0 { try read(blob, size, expansion) }
    }

    deinit { close(descriptor) }

    private func read(_ blob: Int32, _ size: Int64, _ expansion: LayerExpansion) throws(LayerError)
    {
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(descriptor: blob, size: size, arrival: nil, lane: lane)
        let archive = try makeDecompressor(reader, inflater: expansion.inflater)
        let found = Monitor(Found())
        try ArchivePipe.run(archive, lane) {
            [limits = expansion.limits, descriptor] pipe throws(LayerError) in
            let entries = TarReader(ArchiveStream(pipe, limit: limits.bytes), limits: limits)
            var (all, end) = (Found(), Int64(0))
            while let entry = try entries.next() {
                let name = try EntryName(entry.path)
                all.owners[name] = (entry.uid, entry.gid)
                all.contents[name] = nil
                guard entry.kind == .file, entry.mode & 0o400 == 0, entry.sparse == nil else {
                    continue
                }
                while true {
                    let bytes = try entries.content(1 << 20)
                    if bytes.isEmpty { break }
                    try Raw.writeAll(descriptor, bytes)
                }
                all.contents[name] = (end, entry.size)
                end += entry.size
            }
            found.withLock { $0 = all }
        }
        self.found = found.quietly { $0 }
    }

    func owner(_ name: EntryName) -> (uid: UInt32, gid: UInt32) {
        found.owners[name] ?? (0, 0)
    }
    func content(_ name: EntryName) -> (offset: Int64, size: Int64)? { found.contents[name] }
}
