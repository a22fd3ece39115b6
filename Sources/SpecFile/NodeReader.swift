internal import JobModel

/// Typed looks at nodes. What does not fit is told, and nil or a default comes back, so that one pass finds every mistake.
struct NodeReader {
    let diagnostics: Diagnostics

    func fail(_ node: SpecNode, _ message: String, hint: String? = nil) {
        diagnostics.add(node.place, message, hint: hint)
    }

    /// The pairs of a mapping, each known key handed on; unknown ones are told with a suggestion.
    func mapping(_ node: SpecNode, _ what: String, _ keys: [String: (SpecNode) -> Void]) {
        for (key, value) in pairs(node, what) {
            if let read = keys[key.scalar ?? ""] {
                if !value.isNull { read(value) }
            } else {
                let known = keys.keys.sorted()
                fail(
                    key, "\(what) has no key '\(key.scalar ?? "?")'",
                    hint: Diagnostics.suggestion(key.scalar ?? "", known)
                        ?? "it knows \(known.joined(separator: ", "))")
            }
        }
    }

    func pairs(_ node: SpecNode, _ what: String) -> [(key: SpecNode, value: SpecNode)] {
        if case .mapping(let pairs) = node.content { return pairs }
        if !node.isNull { fail(node, "\(what) must be a mapping, `key: value`") }
        return []
    }

    func string(_ node: SpecNode, _ what: String) -> String? {
        if let text = node.scalar { return text }
        fail(node, "\(what) must be a text")
        return nil
    }

    /// A list of texts; one text alone stands for a list of it.
    func strings(_ node: SpecNode, _ what: String) -> [String] {
        items(node).compactMap { string($0, what) }
    }

    func items(_ node: SpecNode) -> [SpecNode] {
        if case .sequence(let items) = node.content { items } else { [node] }
    }

    func integer(_ node: SpecNode, _ what: String, in range: ClosedRange<Int64>) -> Int64? {
        guard let value = node.scalar.flatMap({ Int64($0) }) else {
            fail(node, "\(what) must be a whole number, not '\(node.scalar ?? "a structure")'")
            return nil
        }
        guard range.contains(value) else {
            fail(
                node,
                "\(what) is \(value); it must be at least \(range.lowerBound)"
                    + (range.upperBound < .max ? " and at most \(range.upperBound)" : ""))
            return nil
        }
        return value
    }

    func number(_ node: SpecNode, _ what: String) -> Double? {
        if let value = node.scalar.flatMap(ScalarText.number) { return value }
        fail(node, "\(what) must be a number, not '\(node.scalar ?? "a structure")'")
        return nil
    }

    func bool(_ node: SpecNode, _ what: String) -> Bool? {
        switch node.scalar {
        case "true", "yes": return true
        case "false", "no": return false
        default:
            fail(node, "\(what) must be true or false, not '\(node.scalar ?? "a structure")'")
            return nil
        }
    }

    func size(_ node: SpecNode, _ what: String) -> Int64? {
        if let bytes = node.scalar.flatMap(ScalarText.size) { return bytes }
        fail(
            node, "\(what) must be a size, not '\(node.scalar ?? "a structure")'",
            hint: "write 8GiB, 512M or a number of bytes")
        return nil
    }

    /// Milliseconds.
    func duration(_ node: SpecNode, _ what: String) -> Int64? {
        if let milliseconds = node.scalar.flatMap(ScalarText.duration) { return milliseconds }
        fail(
            node, "\(what) must be a duration, not '\(node.scalar ?? "a structure")'",
            hint: "write 90s, 2h, 1h 30m or 01:30:00")
        return nil
    }

    func choice<T: RawRepresentable & CaseIterable>(
        _ node: SpecNode, _ what: String, _ type: T.Type
    ) -> T?
    where T.RawValue == String {
        let known = T.allCases.map(\.rawValue)
        if let value = node.scalar.flatMap({ T(rawValue: $0) }) { return value }
        fail(
            node,
            "\(what) must be one of \(known.joined(separator: ", ")), not '\(node.scalar ?? "a structure")'",
            hint: Diagnostics.suggestion(node.scalar ?? "", known))
        return nil
    }

    func parameter(_ node: SpecNode, _ what: String) -> ParameterValue? {
        if node.isNull {
            fail(
                node, "\(what) is empty",
                hint: "write '\(node.scalar ?? "")', in quotes, for the text")
            return nil
        }
        if case .scalar(let text, let quoted) = node.content {
            return ScalarText.value(text, quoted: quoted)
        }
        fail(node, "\(what) must be a number, a text, true or false")
        return nil
    }
}
