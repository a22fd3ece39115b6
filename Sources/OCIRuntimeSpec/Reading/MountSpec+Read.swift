extension MountSpec {
    init(_ field: Field) throws(SpecError) {
        let destination = try field.required("destination")
        let path = try destination.nonEmptyString()
        // Relative ones are deprecated, and mean relative to "/" (config.md, "Mounts").
        self.init(destination: path.utf8.first == UInt8(ascii: "/") ? path : "/" + path)
        type = try field.optional("type")?.string() ?? ""
        source = try field.optional("source")?.string() ?? ""
        options = try field.strings("options")
        uidMappings = try field.idMappings("uidMappings")
        gidMappings = try field.idMappings("gidMappings")
        guard uidMappings.isEmpty == gidMappings.isEmpty else {
            throw field.problem("one of uidMappings and gidMappings is given without the other")
        }
    }
}

extension IDMapping {
    /// Ids are 0...2^32-2: the highest number means "no change" to the kernel.
    static let highestID: UInt32 = .max - 1
    /// Lines that the kernel takes in uid_map, user_namespaces(7).
    static let mostMappings = 340

    init(_ field: Field) throws(SpecError) {
        self.init(
            containerID: try field.required("containerID").userID(),
            hostID: try field.required("hostID").userID(),
            size: try field.required("size").integer(1...UInt32.max))
        guard containerID <= UInt32.max - size, hostID <= UInt32.max - size else {
            throw field.problem("reaches beyond id \(Self.highestID)")
        }
    }

    /// Whether the kernel would refuse them in one map.
    func overlaps(_ other: IDMapping) -> Bool {
        Self.overlap(containerID, size, other.containerID, other.size)
            || Self.overlap(hostID, size, other.hostID, other.size)
    }

    private static func overlap(_ one: UInt32, _ size: UInt32, _ other: UInt32, _ otherSize: UInt32)
        -> Bool
    {
        one < other ? other - one < size : one - other < otherSize
    }
}

extension Field {
    func userID() throws(SpecError) -> UInt32 { try integer(0...IDMapping.highestID) }

    func idMappings(_ name: StaticString) throws(SpecError) -> [IDMapping] {
        guard let field = try optional(name) else { return [] }
        let items = try field.items()
        guard items.count <= IDMapping.mostMappings else {
            throw field.problem("more than \(IDMapping.mostMappings) mappings")
        }
        var mappings: [IDMapping] = []
        for item in items {
            let mapping = try IDMapping(item)
            guard let other = mappings.firstIndex(where: mapping.overlaps) else {
                mappings.append(mapping)
                continue
            }
            throw item.problem("overlaps [\(other)]")
        }
        return mappings
    }
}
