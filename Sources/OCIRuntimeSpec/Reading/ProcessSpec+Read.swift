extension ProcessSpec {
    /// Reads a document that is a process by itself, as `exec --process` is given. `name` stands in front of errors.
    public init(json: [UInt8], name: String = "process.json") throws(SpecError) {
        try self.init(Document(json, name: name).root)
    }

    init(_ field: Field) throws(SpecError) {
        terminal = try field.optional("terminal")?.bool() ?? false
        // To be ignored where there is no terminal (config.md, "Process").
        if terminal, let size = try field.optional("consoleSize") {
            consoleSize = (
                try size.required("height").integer(), try size.required("width").integer()
            )
        }
        cwd = try field.required("cwd").absolutePath()
        env = try field.environment("env")
        args = try field.strings("args")
        guard !args.isEmpty else { throw field.problem("nothing to run", at: "args") }
        if let field = try field.optional("user") { user = try UserSpec(field) }
        capabilities = try field.optional("capabilities").map { (sets) throws(SpecError) in
            try CapabilitiesSpec(sets)
        }
        try readLimits(field)
        try readScheduling(field)
    }

    private mutating func readLimits(_ field: Field) throws(SpecError) {
        rlimits = try RlimitSpec.list(field)
        noNewPrivileges = try field.optional("noNewPrivileges")?.bool() ?? false
        apparmorProfile = try field.optional("apparmorProfile")?.stringIfAny()
        selinuxLabel = try field.optional("selinuxLabel")?.stringIfAny()
        oomScoreAdj = try field.optional("oomScoreAdj")?.integer(-1000...1000)
    }

    private mutating func readScheduling(_ field: Field) throws(SpecError) {
        scheduler = try field.optional("scheduler").map { (field) throws(SpecError) in
            try SchedulerSpec(field)
        }
        ioPriority = try field.optional("ioPriority").map { (field) throws(SpecError) in
            try IOPrioritySpec(field)
        }
        if let field = try field.optional("execCPUAffinity") {
            execCPUAffinity = (
                try field.optional("initial")?.cpuList(), try field.optional("final")?.cpuList()
            )
        }
    }
}

extension UserSpec {
    init(_ field: Field) throws(SpecError) {
        uid = try field.required("uid").userID()
        gid = try field.required("gid").userID()
        umask = try field.optional("umask")?.integer(0...0o777)
        additionalGids = try field.list("additionalGids") { (item) throws(SpecError) in
            try item.userID()
        }
    }
}

extension CapabilitiesSpec {
    init(_ field: Field) throws(SpecError) {
        bounding = try Self.mask(field, "bounding")
        effective = try Self.mask(field, "effective")
        inheritable = try Self.mask(field, "inheritable")
        permitted = try Self.mask(field, "permitted")
        ambient = try Self.mask(field, "ambient")
    }

    private static func mask(_ field: Field, _ set: StaticString) throws(SpecError) -> UInt64 {
        guard let items = try field.optional(set)?.items() else { return 0 }
        var mask: UInt64 = 0
        for item in items { mask |= 1 << UInt64(try item.choice(of: names, "capability")) }
        return mask
    }
}

extension RlimitSpec {
    init(_ field: Field) throws(SpecError) {
        let type = try field.required("type").choice(of: Self.names, "resource limit")
        self.init(
            resource: Int32(type), soft: try field.required("soft").integer(),
            hard: try field.required("hard").integer())
        guard soft <= hard else { throw field.problem("soft is above hard") }
    }

    /// No limit may be given twice (config.md, "POSIX process").
    static func list(_ field: Field) throws(SpecError) -> [RlimitSpec] {
        var known: Set<Int32> = []
        return try field.list("rlimits") { (item) throws(SpecError) in
            let limit = try RlimitSpec(item)
            guard known.insert(limit.resource).inserted else {
                throw item.problem("\(names[Int(limit.resource)]) is given twice", at: "type")
            }
            return limit
        }
    }
}
