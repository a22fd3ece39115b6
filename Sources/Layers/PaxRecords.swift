internal import FoundationEssentials

/// The records of a PAX extended header (POSIX.1-2001 pax, "Extended Header"): `%d key=value\n`.
struct PaxRecords {
    private(set) var values: [String: [UInt8]] = [:]
    /// Keys with an empty value, which take a global one away.
    private var erased: Set<String> = []
    /// `SCHILY.xattr.*` and `LIBARCHIVE.xattr.*`, by attribute name; values may hold any byte.
    private(set) var attributes: [[UInt8]: [UInt8]] = [:]
    /// GNU sparse 0.0 repeats its keys, so they are kept in order.
    private(set) var sparsePairs: [(offset: Int64, length: Int64)] = []

    /// Adds the records of one header; later ones win, an empty value takes one away. A malformed record is an error, never
    /// skipped: what follows it would be read in two ways.
    mutating func add(_ bytes: [UInt8]) throws(LayerError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != UInt8(ascii: " ") }
            guard digits.count <= 9, digits.allSatisfy(Self.isDigit),
                let length = Int(String(decoding: digits, as: UTF8.self)),
                length > digits.count + 2, length <= rest.count,
                rest[rest.startIndex + length - 1] == UInt8(ascii: "\n")
            else { throw Self.malformed }
            let record = rest[(rest.startIndex + digits.count + 1)..<(rest.startIndex + length - 1)]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")), equals > record.startIndex
            else {
                throw Self.malformed
            }
            try add(key: Array(record[..<equals]), value: Array(record[(equals + 1)...]))
            rest = rest[(rest.startIndex + length)...]
        }
    }

    /// Puts another header's records over these.
    mutating func overlay(_ other: PaxRecords) {
        values.merge(other.values) { $1 }
        attributes.merge(other.attributes) { $1 }
        for key in other.erased {
            values[key] = nil
            if let attribute = Self.suffix(Array(key.utf8), Self.attributePrefix) {
                attributes[attribute] = nil
            }
        }
        if !other.sparsePairs.isEmpty { sparsePairs = other.sparsePairs }
    }

    var isSparse: Bool {
        values["GNU.sparse.major"] != nil || values["GNU.sparse.size"] != nil
            || values["GNU.sparse.map"] != nil
    }

    private static let malformed = LayerError(.corrupt, "a malformed extended header")

    private mutating func add(key: [UInt8], value: [UInt8]) throws(LayerError) {
        guard !key.contains(0) else { throw Self.malformed }
        let name = String(decoding: key, as: UTF8.self)
        if value.isEmpty { erased.insert(name) } else { erased.remove(name) }
        if let attribute = Self.suffix(key, Self.attributePrefix) {
            attributes[attribute] = value.isEmpty ? nil : value
        } else if let attribute = Self.suffix(key, "LIBARCHIVE.xattr.") {
            // Where both are given, SCHILY's is the one that every writer agrees on.
            if attributes[attribute] == nil, let data = Data(base64Encoded: Data(value)) {
                attributes[attribute] = Array(data)
            }
        } else {
            guard !value.contains(0) else { throw Self.malformed }
            try addSparse(name, value)
            values[name] = value.isEmpty ? nil : value
        }
    }

    private mutating func addSparse(_ name: String, _ value: [UInt8]) throws(LayerError) {
        guard name == "GNU.sparse.offset" || name == "GNU.sparse.numbytes" else { return }
        guard let number = Int64(String(decoding: value, as: UTF8.self)),
            sparsePairs.count <= SparseMap.regionLimit
        else { throw Self.malformed }
        if name == "GNU.sparse.offset" {
            sparsePairs.append((number, 0))
        } else if !sparsePairs.isEmpty {
            sparsePairs[sparsePairs.count - 1].length = number
        }
    }

    private static let attributePrefix = "SCHILY.xattr."

    private static func suffix(_ key: [UInt8], _ prefix: String) -> [UInt8]? {
        let prefix = Array(prefix.utf8)
        return key.starts(with: prefix) && key.count > prefix.count
            ? Array(key[prefix.count...]) : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }

    /// A decimal number; throws where the record is there and is none.
    func number(_ key: String) throws(LayerError) -> Int64? {
        guard let value = values[key] else { return nil }
        guard let number = Int64(String(decoding: value, as: UTF8.self)) else {
            throw Self.malformed
        }
        return number
    }

    /// Seconds with an optional fraction.
    func time(_ key: String) throws(LayerError) -> (seconds: Int64, nanoseconds: Int64)? {
        guard let value = values[key] else { return nil }
        let text = String(decoding: value, as: UTF8.self)
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let seconds = Int64(parts[0]) else { throw Self.malformed }
        guard parts.count == 2 else { return (seconds, 0) }
        guard parts[1].utf8.allSatisfy(Self.isDigit) else { throw Self.malformed }
        // Before 1970, however little.
        if text.utf8.first == UInt8(ascii: "-") { return (min(seconds, -1), 0) }
        let digits = parts[1].prefix(9)
        let padded = String(digits) + String(repeating: "0", count: 9 - digits.count)
        return (seconds, Int64(padded) ?? 0)
    }
}
