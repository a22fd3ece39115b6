internal import Glibc
internal import OCISpec

/// What containers-registries.conf(5) says of registries: which are mirrored, elsewhere, insecure or blocked.
///
/// Short names are always Docker Hub's: `unqualified-search-registries` and `aliases` are passed over.
struct RegistriesConfiguration: Hashable, Sendable {
    var entries: [Entry] = []

    /// A `[[registry]]` table.
    struct Entry: Hashable, Sendable {
        /// `host`, `host/namespace`, `host/image:tag`, or `*.example.com`.
        var prefix: String
        /// Stands in the prefix's place; empty where nothing is to be replaced, which only a wildcard may say.
        var location: String
        var isInsecure = false
        var isBlocked = false
        var mirrors: [Mirror] = []
        /// The file that says so.
        var origin: String
    }
    struct Mirror: Hashable, Sendable {
        var location: String
        var isInsecure = false
        var use = Use.all
    }
    /// `pull-from-mirror`.
    enum Use: String, Sendable {
        case all
        case digestOnly = "digest-only"
        case tagOnly = "tag-only"

        func serves(digest: Bool) -> Bool {
            switch self {
            case .all: true
            case .digestOnly: digest
            case .tagOnly: !digest
            }
        }
    }

    /// The entry with the longest match, and how many characters of the name it stands for.
    func entry(for reference: ImageReference) -> (entry: Entry, length: Int)? {
        let name = Self.text(reference)
        return entries.compactMap { entry in
            Self.match(entry.prefix, name).map { (entry, $0) }
        }.max { $0.length < $1.length }
    }

    /// Where to read the image, in the order to try: mirrors that serve such references, then the registry. Throws where it is
    /// blocked.
    func sources(of reference: ImageReference) throws(RegistryError) -> [RepositorySource] {
        guard let (entry, length) = entry(for: reference) else {
            return [RepositorySource(reference: reference)]
        }
        try Self.checkIsAllowed(entry, reference)
        let rest = Self.text(reference).dropFirst(length)
        var sources: [RepositorySource] = []
        for mirror in entry.mirrors where mirror.use.serves(digest: reference.digest != nil) {
            sources.append(
                RepositorySource(
                    reference: try Self.parse(mirror.location + rest, entry.origin),
                    isInsecure: mirror.isInsecure, isMirror: true))
        }
        let own =
            entry.location.isEmpty || entry.location == entry.prefix
            ? reference : try Self.parse(entry.location + rest, entry.origin)
        return sources + [RepositorySource(reference: own, isInsecure: entry.isInsecure)]
    }

    /// Whether plain HTTP and unverified TLS are allowed where something is written. Nothing is written elsewhere than where the
    /// name says. Throws where it is blocked.
    func isInsecure(_ reference: ImageReference) throws(RegistryError) -> Bool {
        guard let entry = entry(for: reference)?.entry else { return false }
        try Self.checkIsAllowed(entry, reference)
        return entry.isInsecure
    }

    private static func checkIsAllowed(_ entry: Entry, _ reference: ImageReference)
        throws(RegistryError)
    {
        guard entry.isBlocked else { return }
        throw RegistryError(
            .forbidden, "use", reference.name, "\(entry.prefix) is blocked",
            hint: "by \(entry.origin)")
    }

    private static func text(_ reference: ImageReference) -> String {
        reference.digest.map { reference.name + "@\($0)" }
            ?? "\(reference.name):\(reference.selector)"
    }

    /// Characters of `name` that `prefix` stands for; nil where it does not match. A wildcard matches subdomains of any depth, on
    /// whatever port.
    static func match(_ prefix: String, _ name: String) -> Int? {
        if prefix.hasPrefix("*.") {
            let host = name.prefix { $0 != "/" && $0 != ":" }
            return host.hasSuffix(prefix.dropFirst()) ? host.count : nil
        }
        guard name.hasPrefix(prefix) else { return nil }
        guard let next = name.dropFirst(prefix.count).first else { return prefix.count }
        // After a host alone a colon is that of a port.
        let isEnd = next == "/" || (prefix.contains("/") && (next == ":" || next == "@"))
        return isEnd ? prefix.count : nil
    }

    private static func parse(_ text: String, _ origin: String) throws(RegistryError)
        -> ImageReference
    {
        do throws(ReferenceError) {
            return try ImageReference(text)
        } catch {
            throw RegistryError(
                .local(EINVAL), "read", origin, "it leads to \"\(text)\": \(error.reason)")
        }
    }
}

/// A place where a repository is: the registry that its name says, the one that stands for it, or a mirror.
struct RepositorySource: Hashable, Sendable {
    var reference: ImageReference
    /// Whether plain HTTP and unverified TLS are allowed.
    var isInsecure = false
    var isMirror = false
}
