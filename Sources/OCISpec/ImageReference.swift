/// The name of an image in a registry, with Docker's defaults filled in: `python` is `docker.io/library/python:latest`.
///
/// The grammar and the rules for short names are those of github.com/distribution/reference; of digests only SHA-256 is
/// taken. Where both a tag and a digest are given, the digest says what to fetch and the tag is kept for people.
public struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// Host and optional port: `docker.io`, `127.0.0.1:5000`, `[::1]:5000`.
    public let domain: String
    /// `library/python`.
    public let path: String
    /// `latest` where the text has neither tag nor digest; nil where it has a digest alone.
    public let tag: String?
    public let digest: Digest?

    /// Reads a reference as a person types it.
    public init(_ text: String) throws(ReferenceError) {
        try self.init(grammar: text)
    }

    init(domain: String, path: String, tag: String?, digest: Digest?) {
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest
    }

    /// `docker.io/library/python`.
    public var name: String { domain + "/" + path }
    /// What is asked of the registry: the digest where there is one, else the tag.
    public var selector: String { digest?.description ?? tag ?? Self.defaultTag }
    /// The full form, read back as the same value.
    public var description: String {
        name + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0.description } ?? "")
    }
    /// The short form that Docker shows: `python:latest`.
    public var familiar: String {
        guard domain == Self.dockerHub else { return description }
        let rest = description.dropFirst(domain.count + 1)
        let official = "library/"
        let isOfficial = path.hasPrefix(official) && !path.dropFirst(official.count).contains("/")
        let short = String(isOfficial ? rest.dropFirst(official.count) : rest)
        // docker.io/localhost/x is another name without its host.
        return (try? ImageReference(short)) == self ? short : description
    }
    /// The same name, with this digest in place of what it asked for.
    public func pinned(to digest: Digest) -> ImageReference {
        ImageReference(domain: domain, path: path, tag: tag, digest: digest)
    }

    /// The same name and tag without a digest.
    public var withoutDigest: ImageReference {
        ImageReference(domain: domain, path: path, tag: tag ?? Self.defaultTag, digest: nil)
    }

    static let dockerHub = "docker.io"
    static let defaultTag = "latest"
}

/// A text that is no image reference: what is wrong with it, and what was probably meant.
public struct ReferenceError: Error, Hashable, Sendable, CustomStringConvertible {
    public let text: String
    public let reason: String
    public let hint: String?
    public init(_ text: String, _ reason: String, hint: String? = nil) {
        self.text = text
        self.reason = reason
        self.hint = hint
    }
    public var description: String {
        "image reference \"\(text.prefix(300))\": \(reason)" + (hint.map { "; \($0)" } ?? "")
    }
}
