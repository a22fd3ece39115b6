internal import CLinux
package import Glibc
internal import LinuxSystem

// Names are bytes here, not text: the calls take what the archive said, and every one works beneath a descriptor.

/// Where a directory of a layer is: an open O_PATH descriptor and its real path from the root.
package final class OpenDirectory {
    package let descriptor: Int32
    package let name: EntryName

    /// Takes the descriptor over.
    package init(descriptor: Int32, name: EntryName) {
        self.descriptor = descriptor
        self.name = name
    }

    deinit { close(descriptor) }
}

package enum Raw {
    /// O_PATH, which glibc shows only to _GNU_SOURCE.
    package static let openPath = RootedPath.openPath
    /// RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH of linux/openat2.h.
    private static let strictlyBeneath: UInt64 = 0x02 | 0x04 | 0x08

    /// Opens beneath `root` without following any link; nil where it does not exist or a link stands in the way.
    package static func openBeneath(_ root: Int32, _ name: EntryName, _ flags: Int32)
        throws(LayerError)
        -> Int32?
    {
        if name.isRoot { return try open(root, [46, 0], flags) }
        let result = cl_openat2(
            root, name.path, UInt64(UInt32(bitPattern: flags | O_CLOEXEC)), 0, strictlyBeneath)
        if result >= 0 { return result }
        var reason = -result
        if reason == EACCES, let opened = openAsRoot(root, name.path, flags) {
            if opened >= 0 { return opened }
            reason = -opened
        }
        switch reason {
        case ENOENT, ELOOP, ENOTDIR: return nil
        default: throw LayerError(system: reason, "open", entry: name.bytes)
        }
    }

    /// openat(2) of one component, its link not followed; nil where it does not exist.
    package static func open(_ directory: Int32, _ name: [CChar], _ flags: Int32, mode: UInt32 = 0)
        throws(LayerError) -> Int32?
    {
        while true {
            let result = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW, mode)
            if result >= 0 { return result }
            if errno == EINTR { continue }
            var reason = errno
            if reason == EACCES, flags & O_CREAT == 0,
                let opened = openAsRoot(directory, name, flags)
            {
                if opened >= 0 { return opened }
                reason = -opened
            }
            if reason == ENOENT { return nil }
            throw LayerError(system: reason, "open")
        }
    }

    package static func status(_ directory: Int32, _ name: [CChar]) throws(LayerError) -> stat? {
        var status = stat()
        if fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        guard errno == EACCES else { throw LayerError(system: errno, "stat") }
        guard let opened = openAsRoot(directory, name, openPath) else {
            throw LayerError(system: EACCES, "stat")
        }
        if [-ENOENT, -ENOTDIR].contains(opened) { return nil }
        guard opened >= 0 else { throw LayerError(system: -opened, "stat") }
        defer { close(opened) }
        try check(fstat(opened, &status), "stat")
        return status
    }

    /// readlinkat(2), whole.
    package static func link(_ directory: Int32, _ name: [CChar]) throws(LayerError) -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: EntryName.limit + 1)
        var count = readlinkat(directory, name, &buffer, buffer.count)
        if count < 0, errno == EACCES, let opened = openAsRoot(directory, name, openPath),
            opened >= 0
        {
            defer { close(opened) }
            // Empty: the link that the descriptor is open on.
            count = readlinkat(opened, "", &buffer, buffer.count)
        }
        guard count >= 0 else { throw LayerError(system: errno, "readlink") }
        return buffer[..<count].map { UInt8(bitPattern: $0) }
    }

    /// Throws where a call of the C library returned less than 0.
    package static func check(_ result: Int32, _ call: String) throws(LayerError) {
        guard result >= 0 else { throw LayerError(system: errno, call) }
    }

    package static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer)
        throws(LayerError)
    {
        var written = 0
        while written < bytes.count {
            let count = write(
                descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LayerError(system: errno, "write") }
            written += count
        }
    }

    /// From where `source` stands to its end, or `count` bytes.
    package static func copy(_ source: Int32, to target: Int32, count wanted: Int64 = .max)
        throws(LayerError)
    {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
        defer { buffer.deallocate() }
        var left = wanted
        while left > 0 {
            let count = read(source, buffer.baseAddress, Int(min(Int64(buffer.count), left)))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LayerError(system: errno, "read") }
            if count == 0 { return }
            try writeAll(target, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            left -= Int64(count)
        }
    }

    /// A whole regular file into an empty one, with its holes left as holes: only data takes time and room. Returns how many bytes
    /// of it there are; more than `limit` are refused.
    static func copyData(_ source: Int32, to target: Int32, limit: Int64) throws(LayerError)
        -> Int64
    {
        var status = stat()
        try check(fstat(source, &status), "stat")
        var copied: Int64 = 0
        var end: off_t = 0
        while end < status.st_size {
            let start = lseek(source, end, seekData)
            // Nothing but a hole is left.
            if start < 0, errno == ENXIO { break }
            try check(Int32(clamping: start), "lseek")
            end = lseek(source, start, seekHole)
            try check(Int32(clamping: end), "lseek")
            copied += Int64(end - start)
            guard copied <= limit else {
                throw LayerError(.hostile, "hard links to lower files of more than \(limit) bytes")
            }
            try check(Int32(clamping: lseek(source, start, SEEK_SET)), "lseek")
            try check(Int32(clamping: lseek(target, start, SEEK_SET)), "lseek")
            try copy(source, to: target, count: Int64(end - start))
        }
        try check(ftruncate(target, status.st_size), "truncate")
        return copied
    }

    /// lseek(2), which glibc shows only to _GNU_SOURCE.
    static let (seekData, seekHole): (Int32, Int32) = (3, 4)

    /// rename(2) of a directory to another parent, which its owner may do only where he may write into it: some images'
    /// roots are 0555.
    package static func renameDirectory(_ from: String, _ to: String) -> Bool {
        if rename(from, to) == 0 { return true }
        guard errno == EACCES else { return false }
        if renameAsRoot(from, to) { return true }
        errno = EACCES
        var status = stat()
        guard stat(from, &status) == 0, chmod(from, 0o700) == 0 else {
            return false
        }
        let isDone = rename(from, to) == 0
        let reason = errno
        chmod(isDone ? to : from, status.st_mode & 0o7777)
        errno = reason
        return isDone
    }

    /// How Linux packs a device number (new_encode_dev, linux/kdev_t.h).
    static func deviceNumber(_ status: stat) -> (major: UInt32, minor: UInt32) {
        let number = UInt32(truncatingIfNeeded: status.st_rdev)
        return (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00)
    }

    package static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
    static func isLink(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFLNK }
    package static func isWhiteout(_ status: stat) -> Bool {
        status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == 0
    }
}
