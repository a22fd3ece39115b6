extension CDISpec {
    /// Versions that were released and are still read, oldest first.
    private static let versions = [
        "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", newestVersion,
    ]

    /// Reads a file of /etc/cdi. `name` stands in front of errors, and `.yaml` at its end says what it is.
    ///
    /// What is not known is an error, unlike in config.json: a device half given is worse than none. So is whatever is newer than
    /// the version that the file claims.
    public init(text: [UInt8], name: String) throws(SpecError) {
        let document =
            try name.hasSuffix(".yaml")
            ? Document(yaml: text, name: name) : Document(text, name: name)
        try self.init(document.root)
    }

    init(_ field: Field) throws(SpecError) {
        try field.allow(["cdiVersion", "kind", "annotations", "devices", "containerEdits"])
        let gate = try VersionGate(field.required("cdiVersion"), versions: Self.versions)
        let kind = try field.required("kind")
        let (vendor, deviceClass) = try kind.cdiKind()
        try gate.require("0.6.0", kind, when: deviceClass.utf8.contains(UInt8(ascii: ".")))
        self.init(version: gate.version, vendor: vendor, deviceClass: deviceClass)
        annotations = try field.cdiAnnotations(gate)
        let list = try field.required("devices")
        for item in try list.items() {
            let device = try CDIDevice(item, gate)
            guard !devices.contains(where: { $0.name == device.name }) else {
                throw item.problem("\(Field.quoted(device.name)) stands twice", at: "name")
            }
            devices.append(device)
        }
        guard !devices.isEmpty else { throw list.problem("names no device") }
        if let field = try field.optional("containerEdits") {
            edits = try ContainerEdits(field, gate)
        }
    }
}

extension CDIDevice {
    init(_ field: Field, _ gate: VersionGate) throws(SpecError) {
        try field.allow(["name", "annotations", "containerEdits"])
        let name = try field.required("name")
        let text = try name.cdiDeviceName()
        try gate.require("0.5.0", name, when: text.utf8.first.map(Field.isDigit) ?? false)
        let edits = try field.required("containerEdits")
        self.init(name: text, edits: try ContainerEdits(edits, gate))
        annotations = try field.cdiAnnotations(gate)
        guard !self.edits.isEmpty else { throw edits.problem("is empty") }
    }
}

/// Which version a file claims to be of, and so may use.
struct VersionGate {
    let version: String
    private let versions: [String]

    init(_ field: Field, versions: [String]) throws(SpecError) {
        version = try field.string()
        self.versions = versions
        guard versions.contains(version) else {
            throw field.problem(
                "\(Field.quoted(version)) is none of the versions \(versions.joined(separator: ", "))"
            )
        }
    }

    /// Refuses what came with a later version.
    func require(_ needed: String, _ field: Field, when isUsed: Bool = true) throws(SpecError) {
        guard isUsed, let own = versions.firstIndex(of: version),
            let other = versions.firstIndex(of: needed), own < other
        else { return }
        throw field.problem("needs cdiVersion \(needed), and the file is of \(version)")
    }

    /// Nil where it is not there.
    func optional(_ name: StaticString, since needed: String, in field: Field) throws(SpecError)
        -> Field?
    {
        guard let member = try field.optional(name) else { return nil }
        try require(needed, member)
        return member
    }
}

// Names, as the interface's grammar has them.
extension Field {
    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20
    }

    private static func isName(_ text: Substring, firstDigit: Bool, between: String.UTF8View)
        -> Bool
    {
        guard let first = text.utf8.first, let last = text.utf8.last else { return false }
        return (isLetter(first) || firstDigit && isDigit(first))
            && (isLetter(last) || isDigit(last))
            && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || between.contains($0) }
    }

    /// `vendor/class`.
    fileprivate func cdiKind() throws(SpecError) -> (vendor: String, deviceClass: String) {
        let text = try string()
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2,
            parts.allSatisfy({ Self.isName($0, firstDigit: false, between: "_-.".utf8) })
        else { throw problem("\(Self.quoted(text)) is no kind such as vendor.com/class") }
        return (String(parts[0]), String(parts[1]))
    }

    fileprivate func cdiDeviceName() throws(SpecError) -> String {
        // YAML has numbers of names without quotes.
        let isNumber = document.values[index].kind == .number
        let text = isNumber ? String(try integer() as UInt32) : try string()
        guard Self.isName(text[...], firstDigit: true, between: "_-.:".utf8) else {
            throw problem("\(Self.quoted(text)) is no name of a device")
        }
        return text
    }

    fileprivate func cdiAnnotations(_ gate: VersionGate) throws(SpecError) -> [String: String] {
        let annotations = try map("annotations") { (text) throws(SpecError) in try text.string() }
        if !annotations.isEmpty { _ = try gate.optional("annotations", since: "0.6.0", in: self) }
        return annotations
    }

    /// Refuses members of other names.
    func allow(_ names: [StaticString]) throws(SpecError) {
        try expect(.object)
        var at = index + 1
        while at < document.values[index].next {
            let name = document.text(of: at)
            guard names.contains(where: { "\($0)" == name }) else {
                throw Field(document: document, index: at + 1).problem("no such field is known")
            }
            at = document.values[at + 1].next
        }
    }
}
