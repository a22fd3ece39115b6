/// registries.conf as it is written; what Martlet has no use for is passed over.
struct RegistriesDocument: Decodable {
    var registry: [Table]?
    /// Version 1.
    var registries: Lists?

    struct Table: Decodable {
        var prefix: String?
        var location: String?
        var insecure: Bool?
        var blocked: Bool?
        var mirror: [MirrorTable]?
        var mirrorByDigestOnly: Bool?
        var pullFromMirror: String?

        private enum CodingKeys: String, CodingKey {
            case prefix, location, insecure, blocked, mirror
            case mirrorByDigestOnly = "mirror-by-digest-only"
            case pullFromMirror = "pull-from-mirror"
        }
    }
    struct MirrorTable: Decodable {
        var location: String?
        var insecure: Bool?
        var pullFromMirror: String?

        private enum CodingKeys: String, CodingKey {
            case location, insecure
            case pullFromMirror = "pull-from-mirror"
        }
    }
    struct Lists: Decodable {
        var insecure: List?
        var block: List?
    }
    struct List: Decodable {
        var registries: [String]?
    }

    /// What the lists of version 1 say.
    func listed(_ origin: String) -> [RegistriesConfiguration.Entry] {
        let insecure = registries?.insecure?.registries ?? []
        let blocked = registries?.block?.registries ?? []
        return Set(insecure + blocked).sorted().map {
            RegistriesConfiguration.Entry(
                prefix: $0, location: $0, isInsecure: insecure.contains($0),
                isBlocked: blocked.contains($0), origin: origin)
        }
    }
}

extension RegistriesDocument.Table {
    func entry(_ origin: String) throws(ConfigurationMistake) -> RegistriesConfiguration.Entry {
        let location = try Self.place(self.location ?? "")
        let prefix = try prefix.map { text throws(ConfigurationMistake) in try Self.place(text) }
        guard let prefix = prefix ?? (location.isEmpty ? nil : location), !prefix.isEmpty else {
            throw ConfigurationMistake(reason: "it has neither a prefix nor a location")
        }
        let isWildcard = prefix.hasPrefix("*.")
        guard !prefix.dropFirst(isWildcard ? 1 : 0).contains("*"),
            !(isWildcard && prefix.contains(where: { $0 == "/" || $0 == ":" }))
        else {
            throw ConfigurationMistake(
                reason: "\"\(prefix)\": a wildcard stands for subdomains, as in *.example.com")
        }
        guard isWildcard || !location.isEmpty else {
            throw ConfigurationMistake(reason: "\"\(prefix)\" has no location")
        }
        guard pullFromMirror == nil else {
            throw ConfigurationMistake(reason: "pull-from-mirror is for a mirror to say")
        }
        var entry = RegistriesConfiguration.Entry(
            prefix: prefix, location: location, origin: origin)
        entry.isInsecure = insecure ?? false
        entry.isBlocked = blocked ?? false
        for table in mirror ?? [] {
            entry.mirrors.append(try table.mirror(byDigestOnly: mirrorByDigestOnly ?? false))
        }
        return entry
    }

    /// Without the slashes at its end; a scheme is refused, and a location that names no host.
    static func place(_ text: String) throws(ConfigurationMistake) -> String {
        guard text.firstRange(of: "://") == nil else {
            throw ConfigurationMistake(reason: "\"\(text)\" is a URL: write it without its scheme")
        }
        var place = text[...]
        while place.hasSuffix("/") { place.removeLast() }
        let host = place.prefix { $0 != "/" }
        guard
            place.isEmpty || host == "localhost" || host.contains(where: { $0 == "." || $0 == ":" })
        else { throw ConfigurationMistake(reason: "\"\(text)\" begins with no registry's host") }
        return String(place)
    }
}

extension RegistriesDocument.MirrorTable {
    func mirror(byDigestOnly: Bool) throws(ConfigurationMistake) -> RegistriesConfiguration.Mirror {
        let location = try RegistriesDocument.Table.place(self.location ?? "")
        guard !location.isEmpty else {
            throw ConfigurationMistake(reason: "a mirror has no location")
        }
        var use: RegistriesConfiguration.Use = byDigestOnly ? .digestOnly : .all
        if let text = pullFromMirror, !text.isEmpty {
            guard !byDigestOnly, let value = RegistriesConfiguration.Use(rawValue: text) else {
                throw ConfigurationMistake(
                    reason: byDigestOnly
                        ? "pull-from-mirror and mirror-by-digest-only exclude each other"
                        : "pull-from-mirror is all, digest-only or tag-only, not \"\(text)\"")
            }
            use = value
        }
        return RegistriesConfiguration.Mirror(
            location: location, isInsecure: insecure ?? false, use: use)
    }
}
