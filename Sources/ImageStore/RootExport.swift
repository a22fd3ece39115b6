internal import CLinux
internal import Glibc
internal import Layers

/// Entries of a merged tree on their way into an archive.
final class RootExport {
    private let tar: TarWriter
    private let records: [LayerRecord]
    private let form: OverlayForm
    private let isCancelled: () -> Bool
    /// First name of each file that has several.
    private var links: [Inode: EntryName] = [:]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)

    private struct Inode: Hashable {
        var device: dev_t
        var number: ino_t
    }

    init(
        _ tar: TarWriter, _ records: [LayerRecord], form: OverlayForm,
        isCancelled: @escaping () -> Bool
    ) {
        self.form = form
        self.tar = tar
        self.records = records
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
                    try describe(&entry, descriptor)
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
            record(node)?.owner(node.name) ?? form.imageOwner(status)
        entry.modified.seconds = max(0, Int64(status.st_mtim.tv_sec))
        if kind == .characterDevice || kind == .blockDevice {
            let device = UInt64(status.st_rdev)
            entry.device = (
                UInt32((device >> 8) & 0xfff), UInt32((device & 0xff) | ((device >> 12) & 0xfff00))
            )
        }
        return entry
    }

    private func record(_ node: MergedWalk.Node) -> LayerRecord? {
        records.indices.contains(node.layer) ? records[node.layer] : nil
    }

    private func addFile(_ entry: TarEntry, _ node: MergedWalk.Node) throws(LayerError) {
        if let record = record(node), let content = record.content(node.name) {
            return try add(entry, record.descriptor, from: content.offset, size: content.size)
        }
        try withOpen(node, O_RDONLY | O_NONBLOCK) { descriptor throws(LayerError) in
            var entry = entry
            try describe(&entry, descriptor)
            try add(entry, descriptor, from: 0, size: Int64(node.status.st_size))
        }
    }

    private func add(_ entry: TarEntry, _ file: Int32, from offset: Int64, size: Int64)
        throws(LayerError)
    {
        var entry = entry
        entry.size = size
        try tar.add(entry)
        var done: Int64 = 0
        while done < size {
            let wanted = Int(min(Int64(buffer.count), size - done))
            let count = pread(file, buffer.baseAddress, wanted, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LayerError(system: errno, "read") }
            guard count > 0 else {
                throw LayerError(.corrupt, "a file that shrinks while it is read")
            }
            try tar.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += Int64(count)
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

    /// File capabilities and users' own attributes; none by which the store or the kernel steers overlays. And whose it is where that
    /// could only be recorded.
    private func describe(_ entry: inout TarEntry, _ descriptor: Int32) throws(LayerError) {
        if case .mapped = form, let owner = Raw.recordedOwner(descriptor) {
            (entry.uid, entry.gid) = owner
        }
        entry.attributes = try Raw.attributes(descriptor) { name in
            let name = String(decoding: name, as: UTF8.self)
            return name == "security.capability"
                || name.hasPrefix("user.") && !name.hasPrefix("user.overlay.")
                    && !name.hasPrefix("user.containers.") && !name.hasPrefix("user.martlet.")
        }
    }
}
