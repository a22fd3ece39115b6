/// A JSON document that has been read: owner of its text, to which fields point.
final class Document: Sendable {
    typealias Value = JSONScanner.Value
    let name: String
    let bytes: [UInt8]
    let values: [Value]

    init(_ bytes: [UInt8], name: String) throws(SpecError) {
        if let offset = Self.firstInvalidByte(in: bytes) {
            throw Self.error(name, bytes, "no UTF-8", at: offset)
        }
        var scanner = JSONScanner(bytes)
        do throws(JSONScanner.Problem) {
            try scanner.scan()
        } catch {
            throw Self.error(name, bytes, error.text, at: error.offset)
        }
        self.name = name
        self.bytes = bytes
        values = scanner.values
    }

    /// Reads YAML by way of the JSON that says the same, so that a place in the text is known for what is no YAML alone.
    convenience init(yaml bytes: [UInt8], name: String) throws(SpecError) {
        if let offset = Self.firstInvalidByte(in: bytes) {
            throw Self.error(name, bytes, "no UTF-8", at: offset)
        }
        var scanner = YAMLScanner(bytes)
        do throws(YAMLScanner.Problem) {
            try scanner.scan()
        } catch {
            throw Self.error(name, bytes, error.text, at: error.offset)
        }
        try self.init(scanner.json, name: name)
    }

    /// The value that is all of the document.
    var root: Field { Field(document: self, index: 0) }

    private static func firstInvalidByte(in bytes: [UInt8]) -> Int? {
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: bytes.span)
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }

    private static func error(_ name: String, _ bytes: [UInt8], _ problem: String, at offset: Int)
        -> SpecError
    {
        let before = bytes[..<min(offset, bytes.count)]
        let newline = UInt8(ascii: "\n")
        let line = before.reduce(1) { $1 == newline ? $0 + 1 : $0 }
        let lineStart = before.lastIndex(of: newline).map { $0 + 1 } ?? 0
        return SpecError(
            document: name, problem: problem, line: line, column: before.endIndex - lineStart + 1)
    }

    /// Names the value for a reader: `linux.seccomp.syscalls[2].args[0].op`. Found by walking down to it, so that nothing is
    /// spent on names while all goes well.
    func path(of index: Int) -> String {
        var path = ""
        var at = 0
        while at != index, let step = step(from: at, towards: index) {
            path += step.name.first == "[" || path.isEmpty ? step.name : "." + step.name
            at = step.child
        }
        return path
    }

    private func step(from container: Int, towards index: Int) -> (name: String, child: Int)? {
        let isObject = values[container].kind == .object
        var child = container + 1
        var position = 0
        while child < values[container].next {
            let name = isObject ? Self.step(named: text(of: child)) : "[\(position)]"
            if isObject { child += 1 }
            if index < values[child].next { return (name, child) }
            child = values[child].next
            position += 1
        }
        return nil
    }

    /// A name that is a path of its own, as an annotation's, is put into brackets.
    static func step(named name: String) -> String {
        let plain = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return plain && !name.isEmpty ? name : "[\(Field.quoted(name))]"
    }

    func text(of index: Int) -> String {
        let value = values[index]
        return value.isEscaped
            ? String(decoding: JSONScanner.decoded(value, in: bytes), as: UTF8.self)
            : String(decoding: bytes[value.start..<value.end], as: UTF8.self)
    }
}
