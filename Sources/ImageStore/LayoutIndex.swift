internal import FoundationEssentials
internal import Layers
internal import OCISpec

/// `index.json` of an OCI layout (image-spec image-layout.md), with whatever others wrote there kept as it is.
struct LayoutIndex {
    /// image-spec annotations.md: the name, or the tag alone.
    static let nameKey = "org.opencontainers.image.ref.name"
    /// The whole name, for containerd and Docker, which take the other for a tag.
    static let wholeNameKey = "io.containerd.image.name"
    /// `oci-layout`.
    static let layoutFile = Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)

    private var members: [String: AnyJSON]
    private var manifests: [AnyJSON]

    init() {
        members = ["schemaVersion": .integer(2), "mediaType": .string(MediaType.index)]
        manifests = []
    }

    /// Nil for what is no index.
    init?(_ bytes: [UInt8]) {
        // Whatever is wrong with it, it is nothing to add to.
        guard
            case .object(let members)? = try? JSONDecoder().decode(
                AnyJSON.self, from: Data(bytes)),
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
        var annotations: [String: AnyJSON] = [:]
        if let name { annotations[Self.nameKey] = .string(name) }
        if let wholeName { annotations[Self.wholeNameKey] = .string(wholeName) }
        manifests.append(.descriptor(root, annotations))
    }

    private static func name(_ entry: AnyJSON) -> String? {
        guard case .object(let members) = entry,
            case .object(let annotations)? = members["annotations"],
            case .string(let name)? = annotations[nameKey]
        else { return nil }
        return name
    }

    func bytes() throws -> [UInt8] {
        var members = members
        members["manifests"] = .array(manifests)
        return try DocumentEncoder.bytes(AnyJSON.object(members))
    }
}

extension AnyJSON {
    fileprivate static func descriptor(_ root: Descriptor, _ annotations: [String: AnyJSON])
        -> AnyJSON
    {
        var members: [String: AnyJSON] = [
            "mediaType": .string(root.mediaType), "digest": .string(root.digest.description),
            "size": .integer(root.size),
        ]
        if !annotations.isEmpty { members["annotations"] = .object(annotations) }
        return .object(members)
    }
}
