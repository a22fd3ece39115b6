extension DeviceSpec {
    /// Of the kernel's dev_t: 12 bits major, 20 bits minor (linux/kdev_t.h).
    static let majors: ClosedRange<Int64> = 0...4095
    static let minors: ClosedRange<Int64> = 0...1_048_575

    init(_ field: Field) throws(SpecError) {
        let kinds: [Kind] = [.character, .character, .block, .fifo]
        // mknod(1): u is c, unbuffered.
        let type = try field.required("type").choice(of: ["c", "u", "b", "p"], "type of device")
        let path = try field.required("path").absolutePath()
        self.init(kind: kinds[type], path: path, major: 0, minor: 0)
        if kind != .fifo {
            major = try field.required("major").integer(Self.majors)
            minor = try field.required("minor").integer(Self.minors)
        }
        // Some writers give the type's bits along with the permissions.
        fileMode = try (field.optional("fileMode")?.integer() as UInt32?).map { $0 & 0o7777 }
        uid = try field.optional("uid")?.userID()
        gid = try field.optional("gid")?.userID()
    }
}

extension PersonalitySpec {
    init(_ field: Field) throws(SpecError) {
        let domain = try field.required("domain")
        _ = try domain.choice(of: ["LINUX", "LINUX32"], "execution domain")
        self.init(domain: try domain.string())
        // config-linux.md, "Personality": none is defined.
        guard let flag = try field.optional("flags")?.items().first else { return }
        throw flag.problem("\(Field.quoted(try flag.string())) is no flag of a personality")
    }
}

extension MemoryPolicySpec {
    /// linux/mempolicy.h.
    private static let modes: [StaticString] = [
        "MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL",
        "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE",
    ]
    private static let flagNames: [StaticString] = [
        "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES",
    ]

    init(_ field: Field) throws(SpecError) {
        let mode = try field.required("mode")
        _ = try mode.choice(of: Self.modes, "memory policy")
        self.init(
            mode: try mode.string(), nodes: try field.optional("nodes")?.cpuList() ?? "")
        flags = try field.list("flags") { (flag) throws(SpecError) in
            _ = try flag.choice(of: Self.flagNames, "flag of a memory policy")
            return try flag.string()
        }
    }
}

extension IntelRdtSpec {
    init(_ field: Field) throws(SpecError) {
        if let field = try field.optional("closID") {
            closID = try field.stringIfAny()
            // Names a directory of resctrl.
            if let name = closID, !Field.isFileName(name) {
                throw field.problem("\(Field.quoted(name)) is no name of a directory")
            }
        }
        schemata = try field.list("schemata") { (line) throws(SpecError) in try line.oneLine() }
        l3CacheSchema = try field.optional("l3CacheSchema")?.stringIfAny()
        if let field = try field.optional("memBwSchema") {
            memBwSchema = try field.oneLine()
            guard memBwSchema?.utf8.starts(with: "MB:".utf8) ?? false else {
                throw field.problem("does not begin with MB:")
            }
        }
        // Before 1.3 monitoring was asked for by what was to be monitored.
        for name: StaticString in ["enableMonitoring", "enableCMT", "enableMBM"] {
            if try field.optional(name)?.bool() ?? false { enableMonitoring = true }
        }
    }
}

extension Field {
    func oneLine() throws(SpecError) -> String {
        let text = try string()
        guard !text.utf8.contains(UInt8(ascii: "\n")) else { throw problem("more than one line") }
        return text
    }

    /// Whether a string names something within its directory, and neither that nor anything above.
    static func isFileName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
    }
}
