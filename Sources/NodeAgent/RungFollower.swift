internal import Glibc
internal import JobModel
internal import LinuxSystem

/// Reads a metrics file as it grows, and finds in it when its attempt comes to a rung.
struct RungFollower {
    /// Bytes of one look: what a task writes faster waits for the next.
    static let slice = 1 << 20
    /// Bytes; what is longer is no line of metrics.
    static let longestLine = 1 << 16

    private let path: String
    private let policy: SearchPolicy
    private var progress: RungProgress
    private var offset = 0
    /// A line that has no end yet; nil while one passes that is too long.
    private var torn: [UInt8]? = []

    init(_ policy: SearchPolicy, _ attempt: AttemptID, results: String) {
        path = results + "/metrics.jsonl"
        self.policy = policy
        progress = RungProgress(policy, attempt)
    }

    /// All that were found, in their order.
    var records: [RungRecord] { progress.records }

    /// What is new. The task owns the file, so a link is not followed and an odd file not read; one that cannot be read has nothing
    /// new.
    mutating func read() -> (found: [RungRecord], isAtEnd: Bool) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            // A file that has shrunk was begun anew.
            status.st_size != offset,
            let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
            fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG
        else { return ([], true) }
        if status.st_size < offset { (offset, torn) = (0, []) }
        let wanted = min(Self.slice, status.st_size - offset)
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            count = max(0, pread(file.raw, buffer.baseAddress, wanted, offset))
        }
        offset += bytes.count
        return (take(bytes), bytes.isEmpty || offset >= status.st_size)
    }

    mutating func take(_ bytes: [UInt8]) -> [RungRecord] {
        var found: [RungRecord] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            if let torn {
                found += observe(torn.isEmpty ? rest[..<end] : (torn + rest[..<end])[...])
            }
            torn = []
            rest = rest[(end + 1)...]
        }
        if let begun = torn {
            torn = begun.count + rest.count > Self.longestLine ? nil : begun + rest
        }
        return found
    }

    private mutating func observe(_ line: ArraySlice<UInt8>) -> [RungRecord] {
        guard line.count <= Self.longestLine, let fields = FlatObject(line)?.fields,
            let value = fields.last(where: { $0.name == policy.metric.name })
        else { return [] }
        func number(_ name: String) -> Double? {
            fields.last { $0.name == name }?.value.flatMap { $0.isFinite ? $0 : nil }
        }
        let step = policy.step.map(number) ?? number("step") ?? number("epoch")
        return progress.observe(step: step, value: value.value)
    }
}
