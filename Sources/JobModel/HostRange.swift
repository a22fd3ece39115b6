/// Host names as Slurm and ClusterShell write many at once: `gpu[01-16]`, `a[1-3,7]b[1-2]`, and lists of those with commas.
public enum HostRange {
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// Of the text, from 1, in bytes.
        public var column: Int
        public var message: String
        public var description: String { "column \(column): \(message)" }
    }

    public static let most = 10_000

    /// In the order written, the last bracket running fastest.
    public static func expand(_ text: String) throws(Failure) -> [String] {
        var reader = HostRangeReader(bytes: Array(text.utf8))
        return try reader.list()
    }
}

private struct HostRangeReader {
    let bytes: [UInt8]
    private var place = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func list() throws(HostRange.Failure) -> [String] {
        var names: [String] = []
        repeat {
            skipSpaces()
            names += try element(room: HostRange.most - names.count)
            skipSpaces()
        } while take(",")
        return names
    }

    /// One element of the list.
    private mutating func element(room: Int) throws(HostRange.Failure) -> [String] {
        let start = place
        var names = [""]
        while !isAtEnd {
            if take("[") {
                let parts = try bracket()
                let (count, isTooMany) = names.count.multipliedReportingOverflow(by: parts.count)
                guard !isTooMany, count <= room else { throw tooMany(start) }
                names = names.flatMap { name in parts.map { name + $0 } }
            } else {
                let literal = try literal()
                names = names.map { $0 + literal }
            }
        }
        guard place > start else { throw fail("a name is missing", at: start) }
        guard names.count <= room else { throw tooMany(start) }
        return names
    }

    /// Of an element: a comma or nothing follows, after spaces or at once.
    private var isAtEnd: Bool {
        let next = bytes[place...].first { $0 != UInt8(ascii: " ") }
        return next == nil || next == UInt8(ascii: ",")
    }

    private mutating func literal() throws(HostRange.Failure) -> String {
        let start = place
        while !isAtEnd, bytes[place] != UInt8(ascii: "[") {
            guard bytes[place] != UInt8(ascii: "]") else {
                throw fail("there is no [ before this ]")
            }
            guard bytes[place] > 0x20, bytes[place] != 0x7f else {
                throw fail("a name has no spaces")
            }
            place += 1
        }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    /// What stands in brackets, after the opening one: `1-3,7`.
    private mutating func bracket() throws(HostRange.Failure) -> [String] {
        let start = place
        var parts: [String] = []
        repeat {
            let at = place
            let low = try number()
            guard take("-") else {
                parts.append(String(decoding: bytes[at..<place], as: UTF8.self))
                continue
            }
            let width = place - 1 - at
            let high = try number()
            guard low <= high else { throw fail("the range runs backwards", at: at) }
            guard high - low < HostRange.most else { throw tooMany(at) }
            parts += (low...high).map { Self.padded($0, width) }
        } while take(",")
        guard take("]") else {
            throw place < bytes.count
                ? fail("a range is written 01-16, and a list of them 1-3,7")
                : fail("this [ is not closed", at: start - 1)
        }
        return parts
    }

    private mutating func number() throws(HostRange.Failure) -> Int {
        let start = place
        var value = 0
        while place < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place]) {
            guard place - start < 9 else { throw fail("the number is too long", at: start) }
            value = value * 10 + Int(bytes[place] - UInt8(ascii: "0"))
            place += 1
        }
        guard place > start else { throw fail("a number is missing") }
        return value
    }

    /// As wide as the first number of its range is written: 08, 09, 10.
    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private mutating func skipSpaces() {
        while place < bytes.count, bytes[place] == UInt8(ascii: " ") { place += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private func tooMany(_ at: Int) -> HostRange.Failure {
        fail("these are more than \(HostRange.most) names", at: at)
    }

    private func fail(_ message: String, at: Int? = nil) -> HostRange.Failure {
        HostRange.Failure(column: (at ?? place) + 1, message: message)
    }
}
