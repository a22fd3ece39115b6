import JobModel

/// Hosts and nodes as they are typed.
enum NodeNames {
    /// Names, with ranges written out.
    static func expand(_ texts: [String]) throws -> [String] {
        try texts.flatMap { text in
            try told(text) { () throws(HostRange.Failure) in try HostRange.expand(text) }
        }
    }

    /// `[user@]host[:port]`, with ranges.
    static func specs(_ text: String) throws -> [NodeSpec] {
        try told(text) { () throws(HostRange.Failure) in try NodeSpec.all(typed: text) }
    }

    private static func told<Value>(
        _ text: String, _ body: () throws(HostRange.Failure) -> Value
    ) throws -> Value {
        do throws(HostRange.Failure) { return try body() } catch {
            throw Failure(.usage, "\(text): \(error)", hint: "ranges look like gpu[01-16]")
        }
    }
}
