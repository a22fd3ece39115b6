extension RuntimeSpec {
    /// Reads config.json. `name` stands in front of errors.
    ///
    /// Properties that are not known are ignored, as config.md ("Extensibility") demands; so are other systems' sections.
    public init(json: [UInt8], name: String = "config.json") throws(SpecError) {
        try self.init(Document(json, name: name).root)
    }

    init(_ field: Field) throws(SpecError) {
        ociVersion = try field.required("ociVersion").specVersion()
        root = try RootSpec(field.required("root"))
        process = try field.optional("process").map { (process) throws(SpecError) in
            try ProcessSpec(process)
        }
        hostname = try field.optional("hostname")?.hostName()
        domainname = try field.optional("domainname")?.hostName()
        mounts = try field.list("mounts", MountSpec.init)
        if let field = try field.optional("hooks") { hooks = try HooksSpec(field) }
        annotations = try field.map("annotations") { (text) throws(SpecError) in try text.string() }
        if let field = try field.optional("linux") { linux = try LinuxSpec(field) }
    }
}

extension Field {
    /// A version of the specification (SemVer 2.0.0) with which this one is compatible: all of 1 are (config.md,
    /// "Specification version").
    func specVersion() throws(SpecError) -> String {
        let text = try string()
        guard let major = Self.majorVersion(text) else {
            throw problem("\(Self.quoted(text)) is no version such as 1.2.0")
        }
        guard major == "1" else { throw problem("\(Self.quoted(text)) is not a version 1") }
        return text
    }

    /// The first of the three numbers, where the whole is as semver.org has it.
    private static func majorVersion(_ text: String) -> Substring? {
        let parts = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        let release = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = release[0].split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3, numbers.allSatisfy(isNumber) else { return nil }
        for labels in parts.dropFirst() + release.dropFirst() {
            let words = labels.split(separator: ".", omittingEmptySubsequences: false)
            guard words.allSatisfy(isLabel) else { return nil }
        }
        return numbers[0]
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && (text == "0" || text.first != "0")
            && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private static func isLabel(_ text: Substring) -> Bool {
        !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0 == "-" || ("0"..."9").contains($0) || ("a"..."z").contains($0)
                    || ("A"..."Z").contains($0)
            }
    }

    /// sethostname(2): at most 64 bytes. Nil where it is empty.
    func hostName() throws(SpecError) -> String? {
        let text = try stringIfAny()
        guard (text?.utf8.count ?? 0) <= 64 else { throw problem("longer than 64 bytes") }
        return text
    }

    /// `NAME=value`, environ(7).
    func environment(_ name: StaticString) throws(SpecError) -> [String] {
        try list(name) { (item) throws(SpecError) in
            let entry = try item.string()
            guard let equals = entry.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                throw item.problem("\(Field.quoted(entry)) has no =")
            }
            guard equals > entry.startIndex else {
                throw item.problem("\(Field.quoted(entry)) has no name before the =")
            }
            return entry
        }
    }
}

extension RootSpec {
    init(_ field: Field) throws(SpecError) {
        self.init(path: try field.required("path").nonEmptyString())
        readonly = try field.optional("readonly")?.bool() ?? false
    }
}

extension HooksSpec {
    init(_ field: Field) throws(SpecError) {
        prestart = try field.list("prestart", HookSpec.init)
        createRuntime = try field.list("createRuntime", HookSpec.init)
        createContainer = try field.list("createContainer", HookSpec.init)
        startContainer = try field.list("startContainer", HookSpec.init)
        poststart = try field.list("poststart", HookSpec.init)
        poststop = try field.list("poststop", HookSpec.init)
    }
}

extension HookSpec {
    init(_ field: Field) throws(SpecError) {
        self.init(path: try field.required("path").absolutePath())
        args = try field.strings("args")
        env = try field.environment("env")
        timeout = try field.optional("timeout")?.integer(1...Int.max)
    }
}
