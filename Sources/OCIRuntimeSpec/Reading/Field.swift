/// A value in a document. Readers throw an error that names it.
struct Field {
    let document: Document
    let index: Int

    private var value: Document.Value { document.values[index] }

    /// An error at this field, or at one of its own that is not there.
    func problem(_ problem: String, at member: StaticString? = nil) -> SpecError {
        var path = document.path(of: index)
        if let member { path += path.isEmpty ? "\(member)" : ".\(member)" }
        return SpecError(document: document.name, field: path, problem: problem)
    }

    // MARK: Objects

    /// Nil where it is not there, or null, which the specification's own Go types write for what is not there.
    func optional(_ name: StaticString) throws(SpecError) -> Field? {
        try expect(.object)
        var at = index + 1
        while at < value.next {
            if isName(at, name) {
                return document.values[at + 1].kind == .null
                    ? nil : Field(document: document, index: at + 1)
            }
            at = document.values[at + 1].next
        }
        return nil
    }

    func required(_ name: StaticString) throws(SpecError) -> Field {
        guard let field = try optional(name) else { throw problem("missing", at: name) }
        return field
    }

    private func isName(_ at: Int, _ name: StaticString) -> Bool {
        let key = document.values[at]
        guard !key.isEscaped else { return document.text(of: at) == "\(name)" }
        guard key.end - key.start == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { document.bytes[key.start..<key.end].elementsEqual($0) }
    }

    /// Names with their values, nulls left out.
    func members() throws(SpecError) -> [(name: String, value: Field)] {
        try expect(.object)
        var members: [(name: String, value: Field)] = []
        var at = index + 1
        while at < value.next {
            let member = Field(document: document, index: at + 1)
            if document.values[at + 1].kind != .null {
                let name = document.text(of: at)
                guard !name.utf8.contains(0) else { throw member.problem("a NUL in the name") }
                members.append((name, member))
            }
            at = document.values[at + 1].next
        }
        return members
    }
}
