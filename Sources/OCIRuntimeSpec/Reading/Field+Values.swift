// What a field holds, in the types of Swift.
extension Field {
    func expect(_ kind: Document.Value.Kind) throws(SpecError) {
        let found = document.values[index].kind
        guard found == kind else {
            throw problem("must be \(Self.name(of: kind)), not \(Self.name(of: found))")
        }
    }

    private static func name(of kind: Document.Value.Kind) -> String {
        switch kind {
        case .null: "null"
        case .boolean: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }

    func bool() throws(SpecError) -> Bool {
        try expect(.boolean)
        return document.bytes[document.values[index].start] == UInt8(ascii: "t")
    }

    /// No NUL within: what is handed to the kernel ends there, and would not be what was checked.
    func string() throws(SpecError) -> String {
        try expect(.string)
        let text = document.text(of: index)
        guard !text.utf8.contains(0) else { throw problem("a NUL in the string") }
        return text
    }

    /// Nil where the string is empty, which the specification's own Go types write for what is not there.
    func stringIfAny() throws(SpecError) -> String? {
        let text = try string()
        return text.isEmpty ? nil : text
    }

    func nonEmptyString() throws(SpecError) -> String {
        guard let text = try stringIfAny() else { throw problem("is empty") }
        return text
    }

    func absolutePath() throws(SpecError) -> String {
        let path = try nonEmptyString()
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw problem("\(Self.quoted(path)) is no absolute path")
        }
        return path
    }

    func integer<T: FixedWidthInteger>(_ range: ClosedRange<T> = T.min...T.max) throws(SpecError)
        -> T
    {
        try expect(.number)
        let value = document.values[index]
        let text = String(decoding: document.bytes[value.start..<value.end], as: UTF8.self)
        guard
            text.utf8.allSatisfy({
                $0 == UInt8(ascii: "-") || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
            })
        else { throw problem("\(Self.quoted(text)) is no whole number") }
        guard let number = T(text), range.contains(number) else {
            throw problem(
                "\(Self.quoted(text)) is not within \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    /// Which of the names the string is. `what` completes "… is no".
    func choice(of names: [StaticString], _ what: StaticString) throws(SpecError) -> Int {
        let text = try string()
        guard let index = names.firstIndex(where: { Self.isSame(text, $0) }) else {
            throw problem("\(Self.quoted(text)) is no \(what)")
        }
        return index
    }

    private static func isSame(_ text: String, _ name: StaticString) -> Bool {
        text.utf8.count == name.utf8CodeUnitCount
            && name.withUTF8Buffer { text.utf8.elementsEqual($0) }
    }

    // MARK: Lists and maps

    func items() throws(SpecError) -> [Field] {
        try expect(.array)
        var items: [Field] = []
        var at = index + 1
        while at < document.values[index].next {
            items.append(Field(document: document, index: at))
            at = document.values[at].next
        }
        return items
    }

    /// A list within this object; empty where there is none.
    func list<T>(_ name: StaticString, _ read: (Field) throws(SpecError) -> T) throws(SpecError)
        -> [T]
    {
        guard let items = try optional(name)?.items() else { return [] }
        var list: [T] = []
        list.reserveCapacity(items.count)
        for item in items { list.append(try read(item)) }
        return list
    }

    func strings(_ name: StaticString) throws(SpecError) -> [String] {
        try list(name) { (item) throws(SpecError) in try item.string() }
    }

    /// Names and what they stand for, within this object. No name may be empty.
    func map<T>(_ name: StaticString, _ read: (Field) throws(SpecError) -> T) throws(SpecError)
        -> [String: T]
    {
        guard let field = try optional(name) else { return [:] }
        var map: [String: T] = [:]
        for member in try field.members() {
            guard !member.name.isEmpty else { throw field.problem("an empty name") }
            map[member.name] = try read(member.value)
        }
        return map
    }

    /// Text of a document as it may stand in a message: its beginning, without control characters.
    static func quoted(_ text: String) -> String {
        if text.isEmpty { return "\"\"" }
        var result = ""
        for scalar in text.unicodeScalars.prefix(80) {
            result.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7F ? "?" : scalar)
        }
        return text.unicodeScalars.count > 80 ? result + "…" : result
    }
}
