/// A JSON value to be written. Names stand in the order in which they were given.
package enum JSONValue {
    case bool(Bool)
    case integer(Int64)
    case unsigned(UInt64)
    case string(String)
    case list([JSONValue])
    case object(JSONObject)

    package static func strings(_ strings: [String]) -> JSONValue {
        .list(strings.map(JSONValue.string))
    }

    /// UTF-8, a line feed at its end. `indented` puts each member on a line of its own.
    package func text(indented: Bool) -> [UInt8] {
        var writer = JSONWriter(indented: indented)
        writer.write(self)
        writer.bytes.append(UInt8(ascii: "\n"))
        return writer.bytes
    }
}

package struct JSONObject {
    private(set) var members: [(name: String, value: JSONValue)] = []

    package init() {}

    /// Leaves out what is nil.
    package mutating func set(_ name: String, _ value: JSONValue?) {
        if let value { members.append((name, value)) }
    }
    package mutating func set(_ name: String, _ text: String?) {
        set(name, text.map(JSONValue.string))
    }
    package mutating func set(_ name: String, _ value: Bool?) {
        set(name, value.map(JSONValue.bool))
    }
    package mutating func set(_ name: String, _ number: (some SignedInteger)?) {
        set(name, number.map { .integer(Int64($0)) })
    }
    package mutating func set(_ name: String, _ number: (some UnsignedInteger)?) {
        set(name, number.map { .unsigned(UInt64($0)) })
    }
    package mutating func set(_ name: String, _ strings: [String]?) {
        set(name, strings.map(JSONValue.strings))
    }

    /// Leaves out what is empty, too.
    package mutating func setUnlessEmpty(_ name: String, _ strings: [String]) {
        if !strings.isEmpty { set(name, strings) }
    }
    package mutating func setUnlessEmpty<T>(
        _ name: String, _ items: [T], _ write: (T) -> JSONObject
    ) {
        if !items.isEmpty { set(name, .list(items.map { .object(write($0)) })) }
    }
    /// By name, so that one map is written one way.
    package mutating func setUnlessEmpty<T>(
        _ name: String, _ map: [String: T], _ write: (T) -> JSONValue
    ) {
        guard !map.isEmpty else { return }
        var object = JSONObject()
        for (name, value) in map.sorted(by: { $0.key < $1.key }) { object.set(name, write(value)) }
        set(name, .object(object))
    }
    package mutating func setUnlessEmpty(_ name: String, _ object: JSONObject?) {
        if let object, !object.members.isEmpty { set(name, .object(object)) }
    }
}

struct JSONWriter {
    fileprivate(set) var bytes: [UInt8] = []
    private let indented: Bool
    private var depth = 0

    init(indented: Bool) { self.indented = indented }

    mutating func write(_ value: JSONValue) {
        switch value {
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let number): bytes += String(number).utf8
        case .unsigned(let number): bytes += String(number).utf8
        case .string(let text): write(text)
        case .list(let items):
            write(items, "[", "]") { writer, item in writer.write(item) }
        case .object(let object):
            write(object.members, "{", "}") { writer, member in
                writer.write(member.name)
                writer.bytes += (writer.indented ? ": " : ":").utf8
                writer.write(member.value)
            }
        }
    }

    private mutating func write<T>(
        _ elements: [T], _ start: Unicode.Scalar, _ end: Unicode.Scalar,
        _ element: (inout JSONWriter, T) -> Void
    ) {
        bytes.append(UInt8(ascii: start))
        depth += 1
        for (index, item) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            breakLine()
            element(&self, item)
        }
        depth -= 1
        if !elements.isEmpty { breakLine() }
        bytes.append(UInt8(ascii: end))
    }

    private mutating func breakLine() {
        guard indented else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: "\t"), count: depth))
    }

    /// RFC 8259, 7: quotes, backslashes and control characters are escaped.
    private mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            case UInt8(ascii: "\t"): bytes += "\\t".utf8
            case 0..<0x20:
                bytes += (byte < 0x10 ? "\\u000" : "\\u00").utf8
                bytes += String(byte, radix: 16).utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
