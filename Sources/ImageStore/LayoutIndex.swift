internal import FoundationEssentials
internal import OCISpec

/// `index.json` of an OCI layout (image-spec image-layout.md), with whatever others wrote there kept as it is.
struct LayoutIndex {
    /// image-spec annotations.md: the name, or the tag alone.
    static let nameKey = "org.opencontainers.image.ref.name"
    /// The whole name, for containerd and Docker, which take the other for a tag.
    static let wholeNameKey = "io.containerd.image.name"
    /// `oci-layout`.
    static let layoutFile = Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)

    private var members: [String: LooseJSON]
    private var manifests: [LooseJSON]

    init() {
        members = ["schemaVersion": .integer(2), "mediaType": .string(MediaType.index)]
        manifests = []
    }

    /// Nil for what is no index.
    init?(_ bytes: [UInt8]) {
        // Whatever is wrong with it, it is nothing to add to.
        guard
            case .object(let members)? = try? JSONDecoder().decode(
                LooseJSON.self, from: Data(bytes)),
            case .array(let manifests)? = members["manifests"]
        else { return nil }
        self.members = members
        self.manifests = manifests
    }

    /// Adds an image; what had its name has it no longer. `name` is nil for an image without one.
    mutating func add(_ root: Descriptor, name: String?, wholeName: String? = nil) {
        manifests.removeAll {
            Self.name($0) == name && (name != nil || $0 == .descriptor(root, [:]))
        }
        var annotations: [String: LooseJSON] = [:]
        if let name { annotations[Self.nameKey] = .string(name) }
        if let wholeName { annotations[Self.wholeNameKey] = .string(wholeName) }
        manifests.append(.descriptor(root, annotations))
    }

    private static func name(_ entry: LooseJSON) -> String? {
        guard case .object(let members) = entry,
            case .object(let annotations)? = members["annotations"],
            case .string(let name)? = annotations[nameKey]
        else { return nil }
        return name
    }

    func bytes() throws -> [UInt8] {
        var members = members
        members["manifests"] = .array(manifests)
        return try DocumentEncoder.bytes(LooseJSON.object(members))
    }
}

/// Any JSON, for documents of which only a part is ours.
enum LooseJSON: Codable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([LooseJSON])
    case object([String: LooseJSON])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        // Each way is tried: a decoder does not say what there is.
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let integer = try? value.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .string(text)
        } else if let items = try? value.decode([LooseJSON].self) {
            self = .array(items)
        } else {
            self = .object(try value.decode([String: LooseJSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    fileprivate static func descriptor(_ root: Descriptor, _ annotations: [String: LooseJSON])
        -> LooseJSON
    {
        var members: [String: LooseJSON] = [
            "mediaType": .string(root.mediaType), "digest": .string(root.digest.description),
            "size": .integer(root.size),
        ]
        if !annotations.isEmpty { members["annotations"] = .object(annotations) }
        return .object(members)
    }
}
