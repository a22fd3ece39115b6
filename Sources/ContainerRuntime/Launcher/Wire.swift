/// The bytes between agent and launcher: little-endian integers, strings and lists with their length before them.
/// Hand-written because the launcher has no Foundation, and because both ends are always of one build.
public struct WireWriter {
    public private(set) var bytes: [UInt8] = []
    public init() {}

    public mutating func put(_ value: Int64) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    public mutating func put(_ value: Int) { put(Int64(value)) }
    public mutating func put(_ value: Int32) { put(Int64(value)) }
    public mutating func put(_ value: Bool) { bytes.append(value ? 1 : 0) }
    public mutating func put(_ value: UInt8) { bytes.append(value) }
    public mutating func put(_ text: String) {
        put(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }
    public mutating func put(_ value: Int64?) {
        put(value != nil)
        if let value { put(value) }
    }
    public mutating func put<T>(_ list: [T], _ each: (inout WireWriter, T) -> Void) {
        put(list.count)
        for element in list { each(&self, element) }
    }
}

/// Reads what `WireWriter` wrote; anything else throws and never traps.
public struct WireReader {
    public struct Malformed: Error {}
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    public var isAtEnd: Bool { position == bytes.endIndex }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.endIndex - position else { throw Malformed() }
        defer { position += count }
        return bytes[position..<position + count]
    }
    public mutating func int64() throws -> Int64 {
        var value: UInt64 = 0
        for (shift, byte) in try take(8).enumerated() { value |= UInt64(byte) << (8 * shift) }
        return Int64(bitPattern: value)
    }
    public mutating func int() throws -> Int { Int(try int64()) }
    public mutating func int32() throws -> Int32 {
        guard let value = Int32(exactly: try int64()) else { throw Malformed() }
        return value
    }
    public mutating func bool() throws -> Bool { try byte() != 0 }
    public mutating func byte() throws -> UInt8 { try take(1).first ?? 0 }
    public mutating func string() throws -> String {
        String(decoding: try take(try int()), as: UTF8.self)
    }
    public mutating func optionalInt64() throws -> Int64? { try bool() ? try int64() : nil }
    public mutating func list<T>(_ each: (inout WireReader) throws -> T) throws -> [T] {
        let count = try int()
        // Every element takes at least a byte, so a count beyond what is left is a lie.
        guard count >= 0, count <= bytes.endIndex - position else { throw Malformed() }
        var result: [T] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(try each(&self)) }
        return result
    }
}
