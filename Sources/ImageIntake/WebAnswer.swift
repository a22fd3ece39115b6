/// A URL, as far as it has to be known where a header may go.
struct WebAddress: Equatable {
    let text: String
    /// `https://host:port`, as it is written: what is written otherwise is another one.
    let origin: String
    var isSecure: Bool { origin.hasPrefix("https:") }

    /// Nil for what is neither http nor https.
    init?(_ text: String) {
        guard let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) }) else {
            return nil
        }
        // What stands before the first of these is all that any reader takes for the host; where it is not a slash, such as the
        // backslash that some read as one, nothing is the same as this origin.
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        guard !authority.isEmpty, authority.count < rest.count,
            !authority.contains(where: { "@\\?#".contains($0) || $0.isWhitespace })
        else { return nil }
        self.text = text
        origin = scheme + authority
    }

    /// A Location header's (RFC 9110 §10.2.2); nil for paths that are relative to the last one, which no registry sends.
    init?(_ location: String, relativeTo base: WebAddress) {
        if location.hasPrefix("//") {
            self.init((base.isSecure ? "https:" : "http:") + location)
        } else if location.hasPrefix("/") {
            self.init(base.origin + location)
        } else {
            self.init(location)
        }
    }
}

/// The head of an HTTP answer, as `curl --include` writes it.
struct WebAnswer {
    let status: Int
    /// Names in lower case.
    private let fields: [String: String]

    /// Where the body begins; nil where the head is not whole.
    static func end(of bytes: [UInt8]) -> Int? {
        bytes.indices.dropFirst(3).first { bytes[$0 - 3...$0].elementsEqual([13, 10, 13, 10]) }
            .map { $0 + 1 }
    }

    init?(_ head: ArraySlice<UInt8>) {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        // `HTTP/2 200 `: HTTP/2 has no words for it.
        guard let words = lines.first?.split(separator: " "), words.count >= 2,
            words[0].hasPrefix("HTTP/"), let status = Int(words[1])
        else { return nil }
        self.status = status
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].drop { $0 == " " || $0 == "\t" }
            fields[parts[0].lowercased()] = String(value)
        }
        self.fields = fields
    }

    subscript(name: String) -> String? { fields[name] }
}
