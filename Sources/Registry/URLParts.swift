internal import CCurl

/// A URL as libcurl reads it (RFC 3986), for redirects and for what is shown to people.
struct URLParts: Hashable, Sendable {
    let scheme: String
    let host: String
    let port: String
    let path: String
    let text: String

    /// Reads an absolute URL, or one relative to `base`; nil for what is neither http nor https.
    init?(_ text: String, relativeTo base: String? = nil) {
        guard let handle = curl_url() else { return nil }
        defer { curl_url_cleanup(handle) }
        if let base, curl_url_set(handle, CURLUPART_URL, base, 0) != CURLUE_OK { return nil }
        guard curl_url_set(handle, CURLUPART_URL, text, 0) == CURLUE_OK,
            let scheme = Self.get(handle, CURLUPART_SCHEME), scheme == "http" || scheme == "https",
            let host = Self.get(handle, CURLUPART_HOST),
            let port = Self.get(handle, CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)),
            let path = Self.get(handle, CURLUPART_PATH), let full = Self.get(handle, CURLUPART_URL)
        else { return nil }
        self.scheme = scheme
        self.host = host.lowercased()
        self.port = port
        self.path = path
        self.text = full
    }

    /// Without query and fragment: signatures are secrets.
    var shown: String { "\(scheme)://\(host):\(port)\(path)" }

    func isSameOrigin(as other: URLParts) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    /// Query parameters to append to a realm, each name and value escaped.
    static func query(_ items: [(String, String)]) -> String {
        items.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&")
    }

    static func escape(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(byte)
            default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func get(_ handle: OpaquePointer, _ part: CURLUPart, _ flags: UInt32 = 0)
        -> String?
    {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
