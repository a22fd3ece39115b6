extension NodeSpec {
    /// What stands for a node on a command line or in nodes.yaml, ranges expanded: `[user@]host[:port]`.
    public init(typed text: String) throws(HostRange.Failure) {
        guard let colon = text.lastIndex(of: ":") else {
            self.init(name: text, destination: text)
            return
        }
        let (destination, digits) = (String(text[..<colon]), text[text.index(after: colon)...])
        guard let port = Int(digits), (1...65535).contains(port), !destination.isEmpty,
            !destination.contains(":")
        else {
            throw HostRange.Failure(
                column: text.utf8.distance(from: text.startIndex, to: colon) + 2,
                message:
                    "'\(digits)' is no TCP port; for an IPv6 address, give the host a name in ~/.ssh/config"
            )
        }
        self.init(name: destination, destination: destination, port: port)
    }

    /// All nodes that a text with ranges names.
    public static func all(typed text: String) throws(HostRange.Failure) -> [NodeSpec] {
        var nodes: [NodeSpec] = []
        for name in try HostRange.expand(text) { nodes.append(try NodeSpec(typed: name)) }
        return nodes
    }
}
