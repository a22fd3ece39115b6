extension SeccompSpec {
    /// What the specification names, not all of it of this machine or this libseccomp.
    public static let actions: [StaticString] = [
        "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
        "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY",
    ]
    public static let operators: [StaticString] = [
        "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
        "SCMP_CMP_MASKED_EQ",
    ]
    public static let architectureNames: [StaticString] = [
        "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM",
        "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32",
        "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
        "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390", "SCMP_ARCH_S390X",
        "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64",
        "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
    ]
    public static let flagNames: [StaticString] = [
        "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]

    init(_ field: Field) throws(SpecError) {
        self.init(defaultAction: try field.required("defaultAction").action())
        defaultErrnoRet = try field.errno("defaultErrnoRet", for: defaultAction)
        architectures = try field.list("architectures") { (item) throws(SpecError) in
            try item.name(of: Self.architectureNames, "architecture")
        }
        flags = try field.list("flags") { (item) throws(SpecError) in
            try item.name(of: Self.flagNames, "flag of a filter")
        }
        listenerPath = try field.optional("listenerPath")?.stringIfAny()
        listenerMetadata = try field.optional("listenerMetadata")?.stringIfAny()
        guard listenerMetadata == nil || listenerPath != nil else {
            throw field.problem("given without listenerPath", at: "listenerMetadata")
        }
        syscalls = try field.list("syscalls", Rule.init)
    }
}

extension SeccompSpec.Rule {
    init(_ field: Field) throws(SpecError) {
        self.init(
            names: try field.strings("names"), action: try field.required("action").action())
        guard !names.isEmpty else { throw field.problem("names no system call", at: "names") }
        errnoRet = try field.errno("errnoRet", for: action)
        args = try field.list("args", SeccompSpec.Argument.init)
    }
}

extension SeccompSpec.Argument {
    init(_ field: Field) throws(SpecError) {
        self.init(
            index: try field.required("index").integer(0...5),
            value: try field.required("value").integer(),
            op: try field.required("op").name(of: SeccompSpec.operators, "operator"))
        valueTwo = try field.optional("valueTwo")?.integer() ?? 0
    }
}

extension Field {
    func name(of names: [StaticString], _ what: StaticString) throws(SpecError) -> String {
        "\(names[try choice(of: names, what)])"
    }

    func action() throws(SpecError) -> String {
        try name(of: SeccompSpec.actions, "action of seccomp")
    }

    /// SECCOMP_RET_DATA has 16 bits (seccomp(2)); an action without use for one must not have one (config-linux.md, "Seccomp").
    func errno(_ name: StaticString, for action: String) throws(SpecError) -> UInt32? {
        guard let field = try optional(name) else { return nil }
        guard action == "SCMP_ACT_ERRNO" || action == "SCMP_ACT_TRACE" else {
            throw field.problem("\(action) has no errno")
        }
        return try field.integer(0...UInt32(UInt16.max))
    }
}
