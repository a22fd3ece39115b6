internal import CLinux
internal import Glibc

/// Walks a layer by descriptors and writes a record for all that is in it.
///
/// What its owner may not read (a user's layer can hold such files) is listed without content, always the same.
struct ListingWalk {
    private let form: OverlayForm
    private let known: ContentSums?
    private(set) var records: [UInt8] = []
    private(set) var entries = 0
    private(set) var bytes: Int64 = 0
    /// Directories that lie deeper than descriptors are held open for: these are opened from the root.
    private var deep: [EntryName] = []
    private static let depth = 64
    /// What stands before the names of the directory that is being listed.
    private var place: [UInt8] = []
    /// Of files with several names, each read once.
    private var linked: [ino_t: (content: UInt64, attributes: UInt64)] = [:]
    private let buffer = ListingBuffer()

    init(form: OverlayForm, known: ContentSums?) {
        self.form = form
        self.known = known
    }

    /// Lists an open root, itself and all below it.
    mutating func walk(_ root: Int32) throws(LayerError) {
        deep = [EntryName(components: [])]
        while let name = deep.popLast() {
            guard let directory = try Raw.openBeneath(root, name, O_RDONLY | O_DIRECTORY) else {
                throw LayerError(system: ENOENT, "open", entry: name.bytes)
            }
            try list(directory, name, Self.depth)
        }
    }

    /// Takes the descriptor.
    private mutating func list(_ descriptor: Int32, _ name: EntryName, _ depth: Int)
        throws(LayerError)
    {
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw LayerError(system: errno, "opendir")
        }
        defer { closedir(stream) }
        var status = stat()
        try Raw.check(fstat(descriptor, &status), "stat")
        place = name.bytes
        append("d", [], status, content: 0, attributes: try Self.attributes(descriptor))
        if !name.isRoot { place.append(UInt8(ascii: "/")) }
        var directories: [[UInt8]] = []
        while let entry = readdir(stream) {
            let last = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if last == [46] || last == [46, 46] { continue }
            if try add(descriptor, last) { directories.append(last) }
        }
        for last in directories {
            if depth > 0, let child = try Raw.open(descriptor, last.cName, O_RDONLY | O_DIRECTORY) {
                try list(child, name.child(last), depth - 1)
            } else {
                deep.append(name.child(last))
            }
        }
    }

    /// True for a directory that is still to be listed.
    private mutating func add(_ directory: Int32, _ name: [UInt8]) throws(LayerError) -> Bool {
        guard let status = try Raw.status(directory, name.cName) else { return false }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            if isReadable(status, 0o500) { return true }
            append("d", name, status, content: 0, attributes: 0)
        case S_IFREG: try addFile(directory, name, status)
        case S_IFLNK:
            let target = try Raw.link(directory, name.cName)
            append("l", name, status, content: ContentSum.of(target).value, attributes: 0)
        default:
            let kind = String(status.st_mode & S_IFMT, radix: 8)
            append(kind, name, status, content: UInt64(status.st_rdev), attributes: 0)
        }
        return false
    }

    private mutating func addFile(_ directory: Int32, _ name: [UInt8], _ status: stat)
        throws(LayerError)
    {
        if let found = linked[status.st_ino] {
            return append("f", name, status, content: found.content, attributes: found.attributes)
        }
        var sums: (content: UInt64, attributes: UInt64) = (0, 0)
        if let sum = known?[status.st_ino] {
            sums.content = isReadable(status, 0o400) ? sum.value : 0
        } else if isReadable(status, 0o400) {
            guard let file = try Raw.open(directory, name.cName, O_RDONLY) else { return }
            defer { close(file) }
            sums.content = try ContentSum.of(file, buffer.bytes).value
            sums.attributes = try Self.attributes(file)
        }
        // Holes take no room.
        bytes += min(Int64(status.st_size), Int64(status.st_blocks) * 512)
        if status.st_nlink > 1 { linked[status.st_ino] = sums }
        append("f", name, status, content: sums.content, attributes: sums.attributes)
    }

    private func isReadable(_ status: stat, _ bits: mode_t) -> Bool {
        form.readsAll || status.st_mode & bits == bits
    }

    private mutating func append(
        _ kind: String, _ name: [UInt8], _ status: stat, content: UInt64, attributes: UInt64
    ) {
        // A directory's size and links are its file system's, and its time changes when it is moved.
        let isDirectory = Raw.isDirectory(status)
        records += kind.utf8
        append(UInt64(status.st_mode & 0o7777))
        append(UInt64(status.st_uid))
        append(UInt64(status.st_gid))
        append(isDirectory ? 0 : UInt64(status.st_nlink))
        append(isDirectory ? 0 : UInt64(bitPattern: Int64(status.st_size)))
        append(isDirectory ? 0 : UInt64(bitPattern: Int64(status.st_mtim.tv_sec)))
        append(content)
        append(attributes)
        records.append(32)
        records += place
        records += name
        records.append(0)
        entries += 1
    }

    /// A blank and the number in hexadecimal.
    private mutating func append(_ number: UInt64) {
        records.append(32)
        var shift = number == 0 ? 0 : (63 - number.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(shift)) & 15
            records.append(digit < 10 ? digit + 48 : digit + 87)
            shift -= 4
        }
    }

    /// Of an image's own attributes and the overlay's marks; what the machine and others add (labels, access lists, owners of
    /// another user's view) comes and goes.
    private static func attributes(_ file: Int32) throws(LayerError) -> UInt64 {
        var names = [CChar](repeating: 0, count: 4096)
        var length = flistxattr(file, &names, names.count)
        if length < 0, errno == ERANGE {
            names = [CChar](repeating: 0, count: 65_536)
            length = flistxattr(file, &names, names.count)
        }
        guard length > 0 else { return 0 }
        var sum = ContentSum()
        let listed = names[..<length].split(separator: 0).map { $0.map(UInt8.init(bitPattern:)) }
        for name in listed.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let text = String(decoding: name, as: UTF8.self)
            guard
                (text.hasPrefix("user.") && !text.hasPrefix("user.containers."))
                    || text.hasPrefix("trusted.overlay.")
                    || text == "security.capability"
            else { continue }
            var value = [UInt8](repeating: 0, count: 65_536)
            let count = Raw.attribute(file, name.cName, into: &value)
            name.withUnsafeBytes { sum.add($0) }
            value[..<max(0, count)].withUnsafeBytes { sum.add($0) }
        }
        return sum.value
    }
}

/// Memory to read through, freed with the walk.
private final class ListingBuffer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    deinit { bytes.deallocate() }
}
