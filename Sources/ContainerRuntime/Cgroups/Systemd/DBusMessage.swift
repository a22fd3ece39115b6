internal import Glibc
internal import LinuxSystem

/// A value in a message (D-Bus Specification, "Type System"), of the kinds that systemd is told and asked.
enum DBusValue: Equatable {
    case string(String)
    case bool(Bool)
    case uint64(UInt64)
    case uint32s([UInt32])
    case bytes([UInt8])

    var signature: String {
        switch self {
        case .string: "s"
        case .bool: "b"
        case .uint64: "t"
        case .uint32s: "au"
        case .bytes: "ay"
        }
    }
}

/// An argument of a method of systemd's: a value, or an array of properties, `a(sv)`.
enum DBusArgument {
    case value(DBusValue)
    case properties([(name: String, value: DBusValue)])
    /// `a(sa(sv))`, empty.
    case noUnits

    var signature: String {
        switch self {
        case .value(let value): value.signature
        case .properties: "a(sv)"
        case .noUnits: "a(sa(sv))"
        }
    }
}

/// Writes the wire format, little-endian: each kind begins at a multiple of its size, counted from the message's start.
struct DBusWriter {
    private(set) var bytes: [UInt8] = []

    mutating func align(_ size: Int) { while bytes.count % size != 0 { bytes.append(0) } }

    mutating func put(_ value: UInt8) { bytes.append(value) }

    mutating func put(_ value: UInt32) {
        align(4)
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }

    private mutating func put(_ value: UInt64) {
        align(8)
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }

    mutating func put(_ text: String) {
        put(UInt32(text.utf8.count))
        bytes += text.utf8
        bytes.append(0)
    }

    mutating func put(signature: String) {
        bytes.append(UInt8(signature.utf8.count))
        bytes += signature.utf8
        bytes.append(0)
    }

    mutating func put(_ value: DBusValue) {
        switch value {
        case .string(let text): put(text)
        case .bool(let flag): put(UInt32(flag ? 1 : 0))
        case .uint64(let number): put(number)
        case .uint32s(let numbers):
            putArray(of: 4) { for number in numbers { $0.put(number) } }
        case .bytes(let octets): putArray(of: 1) { $0.bytes += octets }
        }
    }

    mutating func put(_ argument: DBusArgument) {
        switch argument {
        case .value(let value): put(value)
        case .noUnits: putArray(of: 8) { _ in }
        case .properties(let properties):
            putArray(of: 8) { array in
                for (name, value) in properties {
                    array.align(8)
                    array.put(name)
                    array.put(signature: value.signature)
                    array.put(value)
                }
            }
        }
    }

    /// The length counts the elements, without what aligns the first one.
    mutating func putArray(of alignment: Int, _ fill: (inout DBusWriter) -> Void) {
        put(UInt32(0))
        let length = bytes.count - 4
        align(alignment)
        let start = bytes.count
        fill(&self)
        withUnsafeBytes(of: UInt32(bytes.count - start).littleEndian) {
            bytes.replaceSubrange(length..<length + 4, with: $0)
        }
    }
}

/// A message that has arrived.
struct DBusMessage {
    enum Kind: UInt8 {
        case call = 1
        case reply, error, signal
    }

    let kind: Kind
    /// Of the call that it answers.
    var replyTo: UInt32 = 0
    var member = ""
    var errorName = ""
    /// Strings and object paths of the body that stand before anything else but numbers.
    var strings: [String] = []

    /// Of a message's first 16 bytes: how many it has in all.
    static func length(_ header: [UInt8]) -> Int {
        let fields = Int(word(header, 12))
        return 16 + (fields + 7) / 8 * 8 + Int(word(header, 4))
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16
            | UInt32(bytes[at + 3]) << 24
    }

    /// Throws EBADMSG for what is cut short or is not little-endian.
    init(_ bytes: [UInt8]) throws(SystemError) {
        var reader = DBusReader(bytes)
        guard bytes.count >= 16, bytes[0] == UInt8(ascii: "l"), let kind = Kind(rawValue: bytes[1])
        else { throw DBusReader.malformed }
        self.kind = kind
        reader.at = 12
        let end = 16 + Int(try reader.uint32())
        var signature = ""
        while reader.at < end {
            reader.align(8)
            let code = try reader.byte()
            let type = try reader.signature()
            switch (code, type) {
            case (5, "u"): replyTo = try reader.uint32()
            case (3, "s"): member = try reader.string()
            case (4, "s"): errorName = try reader.string()
            case (8, "g"): signature = try reader.signature()
            case (_, "s"), (_, "o"): _ = try reader.string()
            case (_, "u"): _ = try reader.uint32()
            case (_, "g"): _ = try reader.signature()
            default: throw DBusReader.malformed
            }
        }
        reader.align(8)
        for type in signature {
            switch type {
            case "s", "o": strings.append(try reader.string())
            case "u": _ = try reader.uint32()
            default: return
            }
        }
    }
}

struct DBusReader {
    private let bytes: [UInt8]
    var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    static let malformed = SystemError("read", "D-Bus message", errno: EBADMSG)

    mutating func align(_ size: Int) { at = (at + size - 1) / size * size }

    private mutating func take(_ count: Int) throws(SystemError) -> ArraySlice<UInt8> {
        guard count >= 0, at + count <= bytes.count else { throw Self.malformed }
        defer { at += count }
        return bytes[at..<at + count]
    }

    mutating func byte() throws(SystemError) -> UInt8 { try take(1).first ?? 0 }

    mutating func uint32() throws(SystemError) -> UInt32 {
        align(4)
        return try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func string() throws(SystemError) -> String {
        let text = try take(Int(try uint32()))
        _ = try take(1)
        return String(decoding: text, as: UTF8.self)
    }

    mutating func signature() throws(SystemError) -> String {
        let text = try take(Int(try byte()))
        _ = try take(1)
        return String(decoding: text, as: UTF8.self)
    }
}
