extension LinuxSpec {
    init(_ field: Field) throws(SpecError) {
        namespaces = try NamespaceSpec.list(field)
        uidMappings = try field.idMappings("uidMappings")
        gidMappings = try field.idMappings("gidMappings")
        timeOffsets = try TimeOffset.map(field)
        devices = try field.list("devices", DeviceSpec.init)
        netDevices = try Self.netDevices(field)
        try readCgroup(field)
        sysctl = try field.map("sysctl") { (text) throws(SpecError) in try text.string() }
        seccomp = try field.optional("seccomp").map { (seccomp) throws(SpecError) in
            try SeccompSpec(seccomp)
        }
        try readRootFilesystem(field)
        personality = try field.optional("personality").map { (field) throws(SpecError) in
            try PersonalitySpec(field)
        }
        intelRdt = try field.optional("intelRdt").map { (field) throws(SpecError) in
            try IntelRdtSpec(field)
        }
        memoryPolicy = try field.optional("memoryPolicy").map { (field) throws(SpecError) in
            try MemoryPolicySpec(field)
        }
    }

    private mutating func readCgroup(_ field: Field) throws(SpecError) {
        if let path = try field.optional("cgroupsPath") {
            cgroupsPath = try path.stringIfAny()
            let steps = cgroupsPath?.utf8.split(separator: UInt8(ascii: "/")) ?? []
            guard !steps.contains(where: { $0.elementsEqual("..".utf8) }) else {
                throw path.problem("leads upwards through ..")
            }
        }
        resources = try field.optional("resources").map { (field) throws(SpecError) in
            try ResourcesSpec(field)
        }
    }

    private static let propagations: [StaticString] = [
        "", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable",
        "runbindable",
    ]

    private mutating func readRootFilesystem(_ field: Field) throws(SpecError) {
        if let field = try field.optional("rootfsPropagation") {
            _ = try field.choice(of: Self.propagations, "mount propagation")
            rootfsPropagation = try field.stringIfAny()
        }
        maskedPaths = try field.list("maskedPaths") { (path) throws(SpecError) in
            try path.absolutePath()
        }
        readonlyPaths = try field.list("readonlyPaths") { (path) throws(SpecError) in
            try path.absolutePath()
        }
        mountLabel = try field.optional("mountLabel")?.stringIfAny()
    }

    private static func netDevices(_ field: Field) throws(SpecError) -> [String: String] {
        guard let field = try field.optional("netDevices") else { return [:] }
        var devices: [String: String] = [:]
        for (host, device) in try field.members() {
            try device.checkInterfaceName(host)
            let name = try device.optional("name")
            let inside = try name?.stringIfAny() ?? host
            try (name ?? device).checkInterfaceName(inside)
            devices[host] = inside
        }
        return devices
    }
}

extension NamespaceSpec {
    init(_ field: Field) throws(SpecError) {
        let type = try field.required("type")
        guard let kind = Kind(rawValue: try type.string()) else {
            throw type.problem("\(Field.quoted(try type.string())) is no namespace")
        }
        self.init(kind: kind)
        // Go's types write "" for what is not there.
        if let field = try field.optional("path"), try field.stringIfAny() != nil {
            path = try field.absolutePath()
        }
    }

    static func list(_ field: Field) throws(SpecError) -> [NamespaceSpec] {
        var known: Set<Kind> = []
        return try field.list("namespaces") { (item) throws(SpecError) in
            let namespace = try NamespaceSpec(item)
            guard known.insert(namespace.kind).inserted else {
                throw item.problem("\(namespace.kind.rawValue) is given twice", at: "type")
            }
            return namespace
        }
    }
}

extension TimeOffset {
    init(_ field: Field) throws(SpecError) {
        self.init(
            seconds: try field.optional("secs")?.integer() ?? 0,
            nanoseconds: try field.optional("nanosecs")?.integer(0...999_999_999) ?? 0)
    }

    /// time_namespaces(7) has two clocks.
    static func map(_ field: Field) throws(SpecError) -> [String: TimeOffset] {
        guard let field = try field.optional("timeOffsets") else { return [:] }
        var offsets: [String: TimeOffset] = [:]
        for (clock, offset) in try field.members() {
            guard clock == "monotonic" || clock == "boottime" else {
                throw offset.problem("\(Field.quoted(clock)) is no clock of a time namespace")
            }
            offsets[clock] = try TimeOffset(offset)
        }
        return offsets
    }
}

extension Field {
    /// What the kernel takes for a network interface (net/core/dev.c, dev_valid_name).
    func checkInterfaceName(_ name: String) throws(SpecError) {
        let isPlain = name.utf8.allSatisfy {
            $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":")
        }
        guard isPlain, 1...15 ~= name.utf8.count, name != ".", name != ".." else {
            throw problem("\(Self.quoted(name)) is no name of a network interface")
        }
    }
}
