/// One line of a metrics file: a JSON object whose numbers count and whose other values are passed over.
struct FlatObject {
    private(set) var fields: [(name: String, value: Double?)] = []

    /// Nil where the line is torn, or anything else than one object.
    init?(_ line: ArraySlice<UInt8>) {
        var scanner = JSONScanner(line)
        guard scanner.take("{") else { return nil }
        while !scanner.take("}") {
            guard fields.isEmpty || scanner.take(",") else { return nil }
            scanner.skipSpace()
            guard let name = scanner.string(), scanner.take(":"), let value = scanner.value()
            else { return nil }
            fields.append((name, value.number))
        }
        scanner.skipSpace()
        guard scanner.rest.isEmpty else { return nil }
    }
}
