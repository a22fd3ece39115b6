internal import Glibc
public import LinuxSystem

/// Files of a machine that containers are to see, below its root: where each really lies, and what it is.
public struct MachineFiles: ~Copyable {
    private let directory: OwnedFD

    public init(_ root: String = "/") throws(SystemError) {
        directory = try OwnedFD.open(root, RootedPath.openPath | O_DIRECTORY)
    }

    /// What a device's file says.
    public struct Device: Sendable, Hashable {
        public enum Kind: Sendable { case character, block, fifo }
        /// Without links, as this machine finds it.
        public let path: String
        public let kind: Kind
        public let major: Int64
        public let minor: Int64
        /// Permission bits.
        public let mode: UInt32
        public let uid: UInt32
        public let gid: UInt32
    }

    /// Throws ENODEV for what is no device, and for a link, which somebody may have put there.
    public func device(_ path: String) throws(SystemError) -> Device {
        let file = try RootedPath.open(
            root: directory.raw, path, RootedPath.openPath | O_NOFOLLOW)
        var status = stat()
        try checkErrno(fstat(file.raw, &status), "stat", path)
        let kind: Device.Kind
        switch status.st_mode & S_IFMT {
        case S_IFCHR: kind = .character
        case S_IFBLK: kind = .block
        case S_IFIFO: kind = .fifo
        default:
            throw SystemError(
                "devices", path, errno: ENODEV, hint: "on this machine it is no device")
        }
        return Device(
            path: try Self.realPath(file), kind: kind, major: Int64(major(status.st_rdev)),
            minor: Int64(minor(status.st_rdev)), mode: status.st_mode & 0o777, uid: status.st_uid,
            gid: status.st_gid)
    }

    /// Where a file really lies: what is mounted by this path is that file. Nil where there is none.
    public func place(of path: String) -> String? {
        guard let file = try? RootedPath.open(root: directory.raw, path, RootedPath.openPath) else {
            return nil
        }
        return try? Self.realPath(file)
    }

    /// The name by which programs ask for a library; nil where it is no library, or has none.
    public func soname(of path: String) -> String? {
        guard let file = try? RootedPath.open(root: directory.raw, path, O_RDONLY | O_NONBLOCK)
        else { return nil }
        return SharedLibrary(file)?.soname
    }

    func isLibrary(_ path: String) -> Bool {
        guard let file = try? RootedPath.open(root: directory.raw, path, O_RDONLY | O_NONBLOCK)
        else { return false }
        return SharedLibrary(file) != nil
    }

    public func text(_ path: String) -> String? {
        guard let file = try? RootedPath.open(root: directory.raw, path, O_RDONLY | O_NONBLOCK),
            let bytes = try? Files.read(file.raw, path)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// None where there is no such directory.
    func names(in path: String) -> [String] {
        guard
            let found = try? RootedPath.open(root: directory.raw, path, O_RDONLY | O_DIRECTORY),
            let names = try? Files.names(in: found.raw)
        else { return [] }
        return names.sorted()
    }

    private static func realPath(_ file: borrowing OwnedFD) throws(SystemError) -> String {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let link = "/proc/self/fd/\(file.raw)"
        let count = try checkErrno(readlink(link, &bytes, Int(PATH_MAX)), "readlink", link)
        return String(
            decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// makedev(3), which is a macro: glibc's split of a device number.
private func major(_ device: dev_t) -> UInt64 {
    (UInt64(device) >> 8 & 0xfff) | (UInt64(device) >> 32 & 0xffff_f000)
}
private func minor(_ device: dev_t) -> UInt64 {
    (UInt64(device) & 0xff) | (UInt64(device) >> 12 & 0xffff_ff00)
}
