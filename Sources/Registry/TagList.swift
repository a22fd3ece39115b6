internal import FoundationEssentials

/// `/v2/<name>/tags/list`, for suggestions.
struct TagList: Decodable {
    var tags: [String]?

    static func read(_ bytes: [UInt8]) -> [String]? {
        // Anything may stand there.
        (try? JSONDecoder().decode(TagList.self, from: Data(bytes)))?.tags
    }

    /// Up to five tags, those that begin most like the wanted one first.
    static func near(_ wanted: String, _ tags: [String]) -> [String] {
        func likeness(_ tag: String) -> Int { zip(tag, wanted).prefix { $0 == $1 }.count }
        let ranked = tags.map { (tag: $0, likeness: likeness($0)) }
            .sorted { ($0.likeness, $1.tag) > ($1.likeness, $0.tag) }
        return ranked.prefix(5).map(\.tag)
    }
}
