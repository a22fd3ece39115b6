internal import CCrypto
internal import Glibc
public import LinuxSystem
internal import OCISpec

/// A node's programs in one file: one after the other, the agent first, then their names and sizes, then where those begin.
/// An ELF file bears bytes after its end, so the whole runs as the agent, and unpacks itself on a machine that has but a shell.
public struct AgentBundle: Sendable, Hashable {
    struct File: Sendable, Hashable {
        var name: String
        var path: String
        var size: Int64
        /// Changes when the file does.
        var stamp: [Int64]
    }

    let files: [File]
    /// 32 hexadecimal digits of a SHA-256 over names, sizes and contents.
    public let hash: String

    static let names = (always: ["martlet-agent", "martlet-runtime"], maybe: ["martlet-nvml"])
    /// Ends a bundle, after the size of the list as 8 bytes, little-endian.
    static let mark = Array("MARTLET1".utf8)
    static let tailSize = 16

    /// The programs in one directory.
    public init(in directory: String) throws(SystemError) {
        try self.init(Self.files(in: directory))
    }

    init(_ files: [File]) throws(SystemError) {
        self.files = files
        var sum = BundleSum()
        for file in files {
            sum.begin(file.name, file.size)
            let source = try OwnedFD.open(file.path, O_RDONLY)
            let count = try Self.copy(source.raw, file.size, file.path) { sum.update($0) }
            guard count == file.size else {
                throw SystemError("read", file.path, errno: ESTALE, hint: "it is being replaced")
            }
        }
        hash = sum.finish()
    }

    /// Of the bundle that this process runs from, by the name of its directory; nil where it was not installed by a head.
    public static let hashOfThisProcess: String? = {
        guard let own = try? Daemon.sibling("martlet-agent") else { return nil }
        let directory = RootedPath.split(RootedPath.split(own).parent).name
        return isHash(directory) ? directory : nil
    }()

    static func isHash(_ name: String) -> Bool {
        name.utf8.count == 32 && name.allSatisfy { $0.isHexDigit }
    }

    static func files(in directory: String) throws(SystemError) -> [File] {
        var files: [File] = []
        for name in names.always + names.maybe {
            let path = directory + "/" + name
            var status = stat()
            guard stat(path, &status) == 0 else {
                if names.maybe.contains(name), errno == ENOENT { continue }
                throw SystemError.last("find", path)
            }
            files.append(
                File(
                    name: name, path: path, size: Int64(status.st_size),
                    stamp: [
                        Int64(status.st_ino), Int64(status.st_size), Int64(status.st_mtim.tv_sec),
                        Int64(status.st_mtim.tv_nsec),
                    ]))
        }
        return files
    }

    /// What comes after the programs.
    var tail: [UInt8] {
        let list = files.map { "\($0.name) \($0.size)\n" }.joined()
        return Array(list.utf8)
            + withUnsafeBytes(of: UInt64(list.utf8.count).littleEndian) { Array($0) }
            + Self.mark
    }

    /// At most `size` bytes from where the descriptor stands, in pieces; returns how many there were.
    static func copy(
        _ source: Int32, _ size: Int64, _ name: String,
        _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) -> Int64 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while done < size {
            let count = read(source, buffer.baseAddress, Int(min(size - done, Int64(buffer.count))))
            if count < 0, errno == EINTR { continue }
            try checkErrno(count, "read", name)
            if count == 0 { break }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += Int64(count)
        }
        return done
    }
}

/// The hash of a bundle, with the CPU's instructions for it.
struct BundleSum: ~Copyable {
    private var context = SHA256_CTX()
    init() { SHA256_Init(&context) }

    /// What follows is the content of that file.
    mutating func begin(_ name: String, _ size: Int64) {
        // A name has neither spaces nor line ends, so that no two lists of files read the same.
        var head = "\(name) \(size)\n"
        head.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
    }

    consuming func finish() -> String {
        var bytes = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&bytes, &context)
        return String(Digest(sha256: bytes).hex.prefix(32))
    }
}
