internal import Glibc

/// What one process asks another one to do with files that are not its own, over a socket of messages. Descriptors go beside it, one
/// for each name.
public struct FileRequest: Sendable {
    public enum Call: UInt8, Sendable {
        /// Owner, attributes, mode and time, in the order in which none undoes another.
        case own
        /// For reading alone, a path beneath a directory, no link followed.
        case open
        /// A second name for a file, linkat(2).
        case link
        /// renameat(2).
        case rename
        /// The value of the one attribute that is named, without a value; the file must be open for reading.
        case attribute
    }
    public var call: Call
    /// Beneath the descriptor of the same place. Empty: what that is open on.
    public var names: [[UInt8]]
    /// Of open(2).
    public var flags: Int32 = 0
    /// As the process that is asked sees them.
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    /// Nil leaves it; a link has none.
    public var mode: UInt32?
    /// Nil leaves it.
    public var modified: (seconds: Int64, nanoseconds: Int64)?
    public var attributes: [(name: [UInt8], value: [UInt8])] = []

    public init(_ call: Call, _ names: [[UInt8]]) {
        self.call = call
        self.names = names
    }

    /// Bytes that any message, there or back, fits in: an attribute has 65,536 at most (xattr(7)).
    public static let limit = 128 << 10

    public var bytes: [UInt8] {
        var bytes: [UInt8] = [call.rawValue]
        let numbers: [Int64] = [
            Int64(flags), Int64(uid), Int64(gid), mode.map { Int64($0) } ?? -1,
            modified?.seconds ?? -1, modified?.nanoseconds ?? -1, Int64(names.count),
        ]
        for number in numbers { bytes.append(number) }
        for part in names + attributes.flatMap({ [$0.name, $0.value] }) {
            bytes.append(Int64(part.count))
            bytes += part
        }
        return bytes
    }

    /// Nil where they are no request.
    public init?(bytes: ArraySlice<UInt8>) {
        var rest = bytes.dropFirst()
        guard let first = bytes.first, let call = Call(rawValue: first) else { return nil }
        var numbers: [Int64] = []
        for _ in 0..<7 {
            guard let number = rest.popNumber() else { return nil }
            numbers.append(number)
        }
        var parts: [[UInt8]] = []
        while !rest.isEmpty {
            guard let count = rest.popNumber(), count >= 0, count <= rest.count else { return nil }
            parts.append(Array(rest.prefix(Int(count))))
            rest = rest.dropFirst(Int(count))
        }
        guard let count = Int(exactly: numbers[6]), (1...2).contains(count), count <= parts.count,
            (parts.count - count) % 2 == 0
        else { return nil }
        self.init(call, Array(parts[..<count]))
        flags = Int32(truncatingIfNeeded: numbers[0])
        uid = UInt32(truncatingIfNeeded: numbers[1])
        gid = UInt32(truncatingIfNeeded: numbers[2])
        mode = numbers[3] < 0 ? nil : UInt32(truncatingIfNeeded: numbers[3])
        modified = numbers[5] < 0 ? nil : (numbers[4], numbers[5])
        for index in stride(from: count, to: parts.count, by: 2) {
            attributes.append((parts[index], parts[index + 1]))
        }
    }
}

/// What became of it. What was opened comes as a descriptor beside it.
public struct FileReply: Sendable {
    /// errno(3); 0 where it is done.
    public var errno: Int32 = 0
    /// Of `own`: the owner was refused, and nothing was changed.
    public var isOwnerRefused = false
    /// Of `own`: an attribute was refused, and all else is done.
    public var isAttributeRefused = false
    /// Of `attribute`.
    public var value: [UInt8] = []

    public init() {}

    public var bytes: [UInt8] {
        var bytes: [UInt8] = [isOwnerRefused ? 1 : 0, isAttributeRefused ? 1 : 0]
        bytes.append(Int64(errno))
        return bytes + value
    }

    /// Nil where they are no reply.
    public init?(bytes: ArraySlice<UInt8>) {
        var rest = bytes.dropFirst(2)
        guard bytes.count >= 2, let number = rest.popNumber() else { return nil }
        errno = Int32(truncatingIfNeeded: number)
        isOwnerRefused = bytes[bytes.startIndex] == 1
        isAttributeRefused = bytes[bytes.startIndex + 1] == 1
        value = Array(rest)
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ number: Int64) {
        Swift.withUnsafeBytes(of: number) { append(contentsOf: $0) }
    }
}

extension ArraySlice<UInt8> {
    /// Of the same machine, so in its order of bytes.
    fileprivate mutating func popNumber() -> Int64? {
        guard count >= 8 else { return nil }
        let number = withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }
        self = dropFirst(8)
        return number
    }
}
