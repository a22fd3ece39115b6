extension SeccompProfile {
    /// Reads a profile. `name` stands in front of errors.
    ///
    /// Properties that are not known are ignored, as Docker does: comments, and podman's errors by name.
    public init(json: [UInt8], name: String) throws(SpecError) {
        try self.init(Document(json, name: name).root)
    }

    init(_ field: Field) throws(SpecError) {
        var base = SeccompSpec(defaultAction: try field.required("defaultAction").taskAction())
        base.defaultErrnoRet = try field.errno("defaultErrnoRet", for: base.defaultAction)
        base.architectures = try field.architectures("architectures")
        base.flags = try field.list("flags") { (item) throws(SpecError) in
            try item.name(of: SeccompSpec.flagNames, "flag of a filter")
        }
        self.init(base)
        families = try field.list("archMap", ArchitectureFamily.init)
        guard base.architectures.isEmpty || families.isEmpty else {
            throw field.problem("given beside architectures", at: "archMap")
        }
        rules = try field.list("syscalls", Rule.init)
    }
}

extension SeccompProfile.ArchitectureFamily {
    init(_ field: Field) throws(SpecError) {
        self.init(architecture: try field.required("architecture").architecture())
        subArchitectures = try field.architectures("subArchitectures")
    }
}

extension SeccompProfile.Rule {
    init(_ field: Field) throws(SpecError) {
        var names = try field.strings("names")
        // The format's first form.
        if let name = try field.optional("name")?.stringIfAny() {
            guard names.isEmpty else { throw field.problem("given beside names", at: "name") }
            names = [name]
        }
        guard !names.isEmpty else { throw field.problem("names no system call", at: "names") }
        var rule = SeccompSpec.Rule(
            names: names, action: try field.required("action").taskAction())
        rule.errnoRet = try field.errno("errnoRet", for: rule.action)
        rule.args = try field.list("args", SeccompSpec.Argument.init)
        self.init(rule)
        if let field = try field.optional("includes") { includes = try .init(field) }
        if let field = try field.optional("excludes") { excludes = try .init(field) }
    }
}

extension SeccompProfile.Condition {
    init(_ field: Field) throws(SpecError) {
        self.init()
        for item in try field.optional("caps")?.items() ?? [] {
            capabilities |= 1 << UInt64(try item.choice(of: CapabilitiesSpec.names, "capability"))
        }
        architectures = try field.list("arches") { (item) throws(SpecError) in
            try item.nonEmptyString()
        }
        minimumKernel = try field.optional("minKernel")?.kernelVersion()
    }
}

extension Field {
    /// Nobody supervises a task whom a filter could notify.
    fileprivate func taskAction() throws(SpecError) -> String {
        let action = try action()
        guard action != "SCMP_ACT_NOTIFY" else {
            throw problem("SCMP_ACT_NOTIFY needs a supervisor, and a task has none")
        }
        return action
    }

    fileprivate func architecture() throws(SpecError) -> String {
        try name(of: SeccompSpec.architectureNames, "architecture")
    }

    fileprivate func architectures(_ name: StaticString) throws(SpecError) -> [String] {
        try list(name) { (item) throws(SpecError) in try item.architecture() }
    }

    /// `4.8`.
    fileprivate func kernelVersion() throws(SpecError) -> KernelVersion? {
        guard let text = try stringIfAny() else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]),
            major >= 0, minor >= 0
        else { throw problem("\(Self.quoted(text)) is no version of a kernel such as 4.8") }
        return KernelVersion(major, minor)
    }
}
