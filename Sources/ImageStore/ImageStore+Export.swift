internal import CLinux
internal import Glibc
internal import OCISpec
internal import Registry

extension ImageStore {
    /// Writes an image's root filesystem as one archive: what its layers show together, with hard links, file capabilities, the
    /// users' own attributes, and owners as the image has them. The image must be here. Blocks.
    public func export(
        _ reference: String, to place: ArchivePlace, options: PullOptions = PullOptions()
    ) throws(ImageError) {
        let use = try StoreUse(paths, form)
        defer { use.close() }
        var options = options
        options.policy = .never
        let image = try ensure(reference, options: options)
        let output = try ArchiveOutput(place)
        try output.write { () throws(ImageError) in
            try writing(image.reference) { () throws(LayerError) in
                let tar = TarWriter(descriptor: output.descriptor)
                let export = RootExport(
                    tar, form.keepsOwners ? [] : try owners(image), isCancelled: options.isCancelled
                )
                try MergedWalk(layers: image.layers, form: form).run {
                    node throws(LayerError) in try export.add(node)
                }
                try tar.finish()
            }
        }
    }

    /// Owners of each layer's files, where the files themselves are all the user's: read off the blobs. A layer whose blob is not
    /// here has none.
    private func owners(_ image: StoredImage) throws(LayerError) -> [RecordedOwners] {
        guard let record = references.get(image.reference), let known = known(record),
            let paths = unpacked(known)
        else { return [] }
        var owners: [RecordedOwners] = []
        for path in image.layers {
            guard let index = paths.lastIndex(of: path) else { return [] }
            let layer = known.manifest.layers[index]
            owners.append(
                try RecordedOwners(
                    blobs.open(layer.digest, size: layer.size), layer.size, expansion))
        }
        return owners
    }
}

/// Who a layer's archive says its entries belong to.
struct RecordedOwners {
    private var owners: [EntryName: (uid: UInt32, gid: UInt32)] = [:]

    /// Takes over the descriptor of the layer's blob; nil knows nothing.
    init(_ blob: Int32?, _ size: Int64, _ expansion: LayerExpansion) throws(LayerError) {
        guard let blob else { return }
        defer { close(blob) }
        guard size > 0 else { return }
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(descriptor: blob, size: size, download: nil, lane: lane)
        let archive = try makeDecompressor(reader, inflater: expansion.inflater)
        let found = Monitor(owners)
        try ArchivePipe.run(archive, lane) { [limits = expansion.limits] pipe throws(LayerError) in
            let entries = TarReader(ArchiveStream(pipe, limit: limits.bytes), limits: limits)
            while let entry = try entries.next() {
                guard entry.uid != 0 || entry.gid != 0 else { continue }
                let name = try EntryName(entry.path)
                found.withLock { $0[name] = (entry.uid, entry.gid) }
            }
        }
        owners = found.quietly { $0 }
    }

    func owner(_ name: EntryName) -> (uid: UInt32, gid: UInt32) { owners[name] ?? (0, 0) }
}

/// Entries of a merged tree on their way into an archive.
private final class RootExport {
    private let tar: TarWriter
    private let owners: [RecordedOwners]
    private let isCancelled: () -> Bool
    /// First name of each file that has several.
    private var links: [Inode: EntryName] = [:]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)

    private struct Inode: Hashable {
        var device: dev_t
        var number: ino_t
    }

    init(_ tar: TarWriter, _ owners: [RecordedOwners], isCancelled: @escaping () -> Bool) {
        self.tar = tar
        self.owners = owners
        self.isCancelled = isCancelled
    }

    deinit { buffer.deallocate() }

    func add(_ node: MergedWalk.Node) throws(LayerError) {
        guard !isCancelled() else { throw LayerError(.cancelled, "cancelled") }
        guard let kind = Self.kind(node.status) else { return }
        do throws(LayerError) {
            var entry = entry(node, kind)
            if kind != .directory, node.status.st_nlink > 1 {
                let inode = Inode(device: node.status.st_dev, number: node.status.st_ino)
                if let first = links[inode] {
                    entry.kind = .hardLink
                    entry.link = first.bytes
                    return try tar.add(entry)
                }
                links[inode] = node.name
            }
            switch kind {
            case .file: try addFile(entry, node)
            case .directory:
                try withOpen(node, O_RDONLY | O_DIRECTORY) { descriptor throws(LayerError) in
                    entry.attributes = try Self.attributes(descriptor)
                }
                try tar.add(entry)
            case .symbolicLink:
                entry.link = try Raw.link(node.parent, node.last)
                try tar.add(entry)
            default: try tar.add(entry)
            }
        } catch {
            throw error.at(node.name.bytes)
        }
    }

    private func entry(_ node: MergedWalk.Node, _ kind: TarEntry.Kind) -> TarEntry {
        let status = node.status
        var path = node.name.isRoot ? Array(".".utf8) : node.name.bytes
        if kind == .directory { path.append(UInt8(ascii: "/")) }
        var entry = TarEntry(kind: kind, path: path, mode: status.st_mode & 0o7777)
        (entry.uid, entry.gid) =
            owners.indices.contains(node.layer)
            ? owners[node.layer].owner(node.name) : (status.st_uid, status.st_gid)
        entry.modified.seconds = max(0, Int64(status.st_mtim.tv_sec))
        if kind == .characterDevice || kind == .blockDevice {
            let device = UInt64(status.st_rdev)
            entry.device = (
                UInt32((device >> 8) & 0xfff), UInt32((device & 0xff) | ((device >> 12) & 0xfff00))
            )
        }
        return entry
    }

    private func addFile(_ entry: TarEntry, _ node: MergedWalk.Node) throws(LayerError) {
        try withOpen(node, O_RDONLY | O_NONBLOCK) { descriptor throws(LayerError) in
            var entry = entry
            entry.attributes = try Self.attributes(descriptor)
            entry.size = Int64(node.status.st_size)
            try tar.add(entry)
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw LayerError(system: errno, "read") }
                if count == 0 { return }
                try tar.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    private func withOpen(
        _ node: MergedWalk.Node, _ flags: Int32, _ body: (Int32) throws(LayerError) -> Void
    ) throws(LayerError) {
        guard let descriptor = try Raw.open(node.parent, node.last, flags) else {
            throw LayerError(system: ENOENT, "open")
        }
        defer { close(descriptor) }
        try body(descriptor)
    }

    /// Sockets mean nothing to anybody later.
    private static func kind(_ status: stat) -> TarEntry.Kind? {
        switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .directory
        case S_IFLNK: .symbolicLink
        case S_IFIFO: .fifo
        case S_IFCHR: .characterDevice
        case S_IFBLK: .blockDevice
        default: nil
        }
    }

    /// File capabilities and users' own attributes; none by which the store or the kernel steers overlays.
    private static func attributes(_ descriptor: Int32) throws(LayerError) -> [(
        name: [UInt8], value: [UInt8]
    )] {
        let size = flistxattr(descriptor, nil, 0)
        // A file system without attributes has none.
        guard size > 0 else { return [] }
        var list = [CChar](repeating: 0, count: size)
        let count = flistxattr(descriptor, &list, size)
        guard count >= 0 else { throw LayerError(system: errno, "listxattr") }
        var attributes: [(name: [UInt8], value: [UInt8])] = []
        for part in list[..<count].split(separator: 0) {
            let bytes = part.map { UInt8(bitPattern: $0) }
            let name = String(decoding: bytes, as: UTF8.self)
            let isOwn =
                name.hasPrefix("user.") && !name.hasPrefix("user.overlay.")
                && !name.hasPrefix("user.containers.") && !name.hasPrefix("user.martlet.")
            guard isOwn || name == "security.capability" else { continue }
            var value = [UInt8](repeating: 0, count: 64 << 10)
            let length = fgetxattr(descriptor, bytes.cName, &value, value.count)
            guard length >= 0 else { throw LayerError(system: errno, "getxattr") }
            attributes.append((bytes, Array(value[..<length])))
        }
        return attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}
