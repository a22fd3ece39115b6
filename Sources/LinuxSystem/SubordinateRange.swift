/// Ids that a line of /etc/subuid or /etc/subgid grants, subuid(5). Text in, value out; reads nothing.
public struct SubordinateRange: Hashable, Sendable {
    public let first: UInt32
    public let count: UInt32

    /// The first that the text grants to an account, which it names by its name or its number. A line that is not as it
    /// should be grants nothing: a count of 0, or ids beyond 2^32-2, the last there is.
    public static func first(in text: String, for name: String?, _ id: UInt32)
        -> SubordinateRange?
    {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[0].isEmpty,
                fields[0] == name ?? "" || fields[0] == "\(id)",
                let range = SubordinateRange(fields[1], fields[2])
            else { continue }
            return range
        }
        return nil
    }

    private init?(_ first: Substring, _ count: Substring) {
        guard let first = Self.number(first), let count = Self.number(count) else { return nil }
        self.init(first: first, count: count)
    }

    /// Nil for none, and for ids beyond the last there is.
    public init?(first: UInt32, count: UInt32) {
        guard count > 0, first <= UInt32.max - count else { return nil }
        self.first = first
        self.count = count
    }

    /// Digits alone: Swift would take a sign, too.
    private static func number(_ text: Substring) -> UInt32? {
        text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ? UInt32(text) : nil
    }
}
