internal import CLinux
internal import CSeccomp
internal import Glibc
public import LinuxSystem
public import OCIRuntimeSpec

/// Compiled profiles in a directory, for processes that live for one container: reading takes 0.1 ms and compiling 5 to 20.
///
/// The directory is this user's alone. A file's name is a hash of its key, and the whole key stands in the file and is compared:
/// two profiles of one hash take turns, and never stand for each other. Any number of processes may use it at once.
public struct SeccompCache: Sendable {
    private let directory: String
    /// Files kept; beyond it the oldest go.
    static let capacity = 64
    /// Of the files' form and of what is compiled into them; another number finds nothing of this one.
    private static let version = "martlet seccomp 1"

    /// Makes the directory, or takes it where it belongs to this user; from then on nobody else may enter it.
    public init(directory: String) throws(SystemError) {
        try Files.makePrivateDirectory(directory)
        self.directory = directory
    }

    /// The filter of this profile, from here or compiled. Where it cannot be kept (a full disk), it is compiled each time.
    public func filter(for spec: SeccompSpec) throws(SeccompError) -> SeccompFilter {
        let key = Self.key(spec)
        let path = path(key)
        if let filter = Self.read(path, key) { return filter }
        let filter = try SeccompFilter(compiling: spec)
        // Somebody else who compiled the same has written the same.
        if (try? Files.writeAtomically(
            path, Self.contents(filter, key), mode: 0o600, durable: false)) != nil
        {
            evict()
        }
        return filter
    }

    /// Everything that the program depends on: the profile, who compiles it, for which machine.
    static func key(_ spec: SeccompSpec) -> [UInt8] {
        var out = WireWriter()
        out.put(version)
        let library = seccomp_version()?.pointee
        for part in [library?.major, library?.minor, library?.micro] { out.put(Int64(part ?? 0)) }
        out.put(Int64(seccomp_arch_native()))
        spec.write(to: &out)
        return out.bytes
    }

    func path(_ key: [UInt8]) -> String { directory + "/" + String(Self.hash(key), radix: 16) }

    static func contents(_ filter: SeccompFilter, _ key: [UInt8]) -> [UInt8] {
        var out = WireWriter()
        out.put(key) { $0.put($1) }
        out.put(filter.program) { $0.put($1) }
        out.put(Int64(filter.flags))
        out.put(filter.unknown) { $0.put($1) }
        // Against torn and rotten files; who may write here needs no forgery.
        out.put(Int64(bitPattern: hash(out.bytes)))
        return out.bytes
    }

    /// Nil for what is missing, damaged, another profile's, or not this user's.
    private static func read(_ path: String, _ key: [UInt8]) -> SeccompFilter? {
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else {
            return nil
        }
        var status = stat()
        guard fstat(file.raw, &status) == 0, status.st_uid == geteuid(),
            status.st_mode & S_IFMT == S_IFREG, let bytes = try? Files.read(file.raw, path),
            bytes.count > 8
        else { return nil }
        var sum = WireWriter()
        sum.put(Int64(bitPattern: hash(bytes.dropLast(8))))
        guard bytes.suffix(8).elementsEqual(sum.bytes) else { return nil }
        var wire = WireReader(bytes.dropLast(8))
        // What does not read is not there.
        guard let written = try? wire.bytes(), written.elementsEqual(key),
            let program = try? wire.bytes(), let flags = try? wire.int64(),
            let unknown = try? wire.list({ try $0.string() }), wire.isAtEnd
        else { return nil }
        return SeccompFilter(
            program: Array(program), flags: UInt32(truncatingIfNeeded: flags), unknown: unknown)
    }

    /// FNV-1a, 64 bits.
    static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// The oldest go, half-written ones of dead processes among them. A process that loses its file thereby compiles again.
    private func evict() {
        guard let names = try? Files.names(in: directory), names.count > Self.capacity else {
            return
        }
        let files = names.map { name in
            var status = stat()
            let there = lstat(directory + "/" + name, &status) == 0
            return (name: name, written: there ? Int(status.st_mtim.tv_sec) : 0)
        }
        let oldest = files.sorted { ($0.written, $0.name) < ($1.written, $1.name) }
        for file in oldest.prefix(files.count - Self.capacity) {
            unlink(directory + "/" + file.name)
        }
    }
}

extension WireReader {
    /// A list of bytes, whole.
    fileprivate mutating func bytes() throws -> [UInt8] { try list { try $0.byte() } }
}
