// The grammar of github.com/distribution/reference (regexp.go, normalize.go), by hand over bytes, so that each refusal
// says which part is wrong.

extension ImageReference {
    /// A path of more bytes than this is refused (RepositoryNameTotalLengthMax).
    static let pathLimit = 255

    init(grammar text: String) throws(ReferenceError) {
        guard !text.isEmpty else {
            throw ReferenceError(
                text, "an image reference cannot be empty", hint: "give one such as python:3.12")
        }
        if let scheme = text.firstRange(of: "://") {
            throw ReferenceError(
                text, "a reference is not a URL",
                hint:
                    "write \(text[scheme.upperBound...]) (with --insecure where the registry speaks plain HTTP)"
            )
        }
        if Digest(hex: text) != nil {
            throw ReferenceError(
                text, "64 hexadecimal digits alone are an image id, not a name",
                hint: "write NAME@sha256:\(text.prefix(12))…")
        }
        let (domain, remainder) = Self.splitDomain(text)
        try Self.check(domain: domain, in: text)
        let (beforeDigest, digest) = try Self.splitDigest(remainder, in: text)
        var (path, tag) = try Self.splitTag(beforeDigest, in: text)
        try Self.check(path: path, in: text)
        if domain == Self.dockerHub, !path.contains("/") { path = "library/" + path }
        guard path.utf8.count <= Self.pathLimit else {
            throw ReferenceError(text, "the name is longer than \(Self.pathLimit) bytes")
        }
        if tag == nil, digest == nil { tag = Self.defaultTag }
        self.init(domain: domain, path: path, tag: tag, digest: digest)
    }

    /// The first component is a host where it could not be part of a Docker Hub name.
    private static func splitDomain(_ text: String) -> (domain: String, remainder: Substring) {
        guard let slash = text.firstIndex(of: "/") else { return (dockerHub, text[...]) }
        let first = text[..<slash]
        let isHost =
            first == "localhost" || first.contains(".") || first.contains(":")
            || first.lowercased() != first
        guard isHost else { return (dockerHub, text[...]) }
        let domain = first == "index.docker.io" ? dockerHub : String(first)
        return (domain, text[text.index(after: slash)...])
    }

    private static func splitDigest(
        _ text: Substring, in whole: String
    ) throws(ReferenceError) -> (Substring, Digest?) {
        guard let at = text.firstIndex(of: "@") else { return (text, nil) }
        let digest = text[text.index(after: at)...]
        guard let value = Digest(digest) else {
            let reason =
                digest.hasPrefix("sha256:")
                ? "the digest must have 64 lower-case hexadecimal digits, it has \(digest.utf8.count - 7) characters"
                : "the digest must be sha256: and 64 hexadecimal digits"
            throw ReferenceError(whole, reason)
        }
        return (text[..<at], value)
    }

    private static func splitTag(
        _ text: Substring, in whole: String
    ) throws(ReferenceError) -> (String, String?) {
        guard let colon = text.firstIndex(of: ":") else { return (String(text), nil) }
        let tag = text[text.index(after: colon)...]
        let bytes = tag.utf8
        guard let first = bytes.first, first.isWord, bytes.count <= 128,
            bytes.allSatisfy({ $0.isWord || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else {
            throw ReferenceError(
                whole,
                "the tag \"\(tag.prefix(140))\" must be 1 to 128 letters, digits, underscores, dots and dashes"
            )
        }
        return (String(text[..<colon]), String(tag))
    }

    private static func check(domain: String, in whole: String) throws(ReferenceError) {
        var host = domain[...]
        if let colon = domain.lastIndex(of: ":"), !domain.hasSuffix("]") {
            let port = domain[domain.index(after: colon)...]
            guard !port.isEmpty, port.utf8.allSatisfy(\.isDigit), let number = Int(port),
                number <= 65_535
            else {
                throw ReferenceError(whole, "\"\(port)\" is no port of a registry")
            }
            host = domain[..<colon]
        }
        let good =
            host.hasPrefix("[") && host.hasSuffix("]") && host.count > 2
            ? host.dropFirst().dropLast().utf8.allSatisfy {
                $0.isHexDigit || $0 == UInt8(ascii: ":")
            }
            : host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(
                isHostComponent)
        guard good else { throw ReferenceError(whole, "\"\(host)\" is no registry host") }
    }

    private static func isHostComponent(_ text: Substring) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, let last = bytes.last, first.isAlphanumeric,
            last.isAlphanumeric
        else { return false }
        return bytes.allSatisfy { $0.isAlphanumeric || $0 == UInt8(ascii: "-") }
    }

    private static func check(path: String, in whole: String) throws(ReferenceError) {
        guard !path.isEmpty else {
            throw ReferenceError(whole, "the name of the repository is missing")
        }
        if path.utf8.contains(where: \.isUpper) {
            throw ReferenceError(
                whole, "the name of a repository must be lower case",
                hint: "did you mean \(whole.lowercased())?")
        }
        for component in path.split(separator: "/", omittingEmptySubsequences: false)
        where !isPathComponent(Array(component.utf8)) {
            throw ReferenceError(
                whole,
                component.isEmpty
                    ? "the name has an empty component"
                    : "\"\(component)\" must be lower-case letters and digits, joined by '.', '_', '__' or dashes"
            )
        }
    }

    /// `[a-z0-9]+((?:[._]|__|[-]+)[a-z0-9]+)*`
    private static func isPathComponent(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first, let last = bytes.last, first.isLowerAlphanumeric,
            last.isLowerAlphanumeric
        else { return false }
        for run in bytes.split(whereSeparator: \.isLowerAlphanumeric) {
            let isDashes = run.allSatisfy { $0 == UInt8(ascii: "-") }
            let text = Array(run)
            guard
                isDashes || text == Array("_".utf8) || text == Array("__".utf8)
                    || text == Array(".".utf8)
            else { return false }
        }
        return true
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var isUpper: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
    fileprivate var isLowerAlphanumeric: Bool {
        isDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
    }
    fileprivate var isAlphanumeric: Bool { isLowerAlphanumeric || isUpper }
    fileprivate var isWord: Bool { isAlphanumeric || self == UInt8(ascii: "_") }
    fileprivate var isHexDigit: Bool {
        isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
            || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(self)
    }
}
