extension ContainerEdits {
    init(_ field: Field, _ gate: VersionGate) throws(SpecError) {
        self.init()
        try field.allow([
            "env", "deviceNodes", "netDevices", "mounts", "hooks", "additionalGids", "intelRdt",
        ])
        env = try field.environment("env")
        deviceNodes = try field.list("deviceNodes") { (item) throws(SpecError) in
            try DeviceNode(item, gate)
        }
        if let list = try gate.optional("netDevices", since: "1.1.0", in: field) {
            netDevices = try list.cdiNetDevices()
        }
        mounts = try field.list("mounts") { (item) throws(SpecError) in
            try MountSpec(cdi: item, gate)
        }
        for item in try field.optional("hooks")?.items() ?? [] { try hooks.add(cdi: item) }
        if let list = try gate.optional("additionalGids", since: "0.7.0", in: field) {
            // Group 0 stands for none: what Go writes for a number that is not there.
            for item in try list.items() { additionalGids.append(try item.userID()) }
            additionalGids.removeAll { $0 == 0 }
        }
        if let member = try gate.optional("intelRdt", since: "0.7.0", in: field) {
            intelRdt = try IntelRdtSpec(cdi: member, gate)
        }
    }
}

extension ContainerEdits.DeviceNode {
    init(_ field: Field, _ gate: VersionGate) throws(SpecError) {
        try field.allow([
            "path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid",
        ])
        self.init(path: try field.required("path").absolutePath())
        if let member = try gate.optional("hostPath", since: "0.5.0", in: field) {
            hostPath = try member.absolutePath()
        }
        if let type = try field.optional("type"), try type.stringIfAny() != nil {
            let kinds: [DeviceSpec.Kind] = [.character, .character, .block, .fifo]
            // mknod(1): u is c, unbuffered.
            kind = kinds[try type.choice(of: ["c", "u", "b", "p"], "type of device")]
        }
        major = try field.optional("major")?.integer(DeviceSpec.majors)
        minor = try field.optional("minor")?.integer(DeviceSpec.minors)
        fileMode = try (field.optional("fileMode")?.integer() as UInt32?).map { $0 & 0o7777 }
        uid = try field.optional("uid")?.userID()
        gid = try field.optional("gid")?.userID()
        if let field = try field.optional("permissions"), let text = try field.stringIfAny() {
            guard text == "none" || text.utf8.allSatisfy("rwm".utf8.contains) else {
                throw field.problem("\(Field.quoted(text)) is neither none nor of r, w and m")
            }
            access = text == "none" ? "" : text
        }
    }
}

extension MountSpec {
    fileprivate init(cdi field: Field, _ gate: VersionGate) throws(SpecError) {
        try field.allow(["hostPath", "containerPath", "type", "options"])
        self.init(destination: try field.required("containerPath").absolutePath())
        // Not a path where the type is tmpfs.
        source = try field.required("hostPath").nonEmptyString()
        type = try gate.optional("type", since: "0.4.0", in: field)?.string() ?? ""
        options = try field.strings("options")
    }
}

extension HooksSpec {
    fileprivate mutating func add(cdi field: Field) throws(SpecError) {
        try field.allow(["hookName", "path", "args", "env", "timeout"])
        let lists: [WritableKeyPath<HooksSpec, [HookSpec]>] = [
            \.prestart, \.createRuntime, \.createContainer, \.startContainer, \.poststart,
            \.poststop,
        ]
        let name = try field.required("hookName").choice(
            of: [
                "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                "poststop",
            ], "kind of hook")
        self[keyPath: lists[name]].append(try HookSpec(field))
    }
}

extension IntelRdtSpec {
    fileprivate init(cdi field: Field, _ gate: VersionGate) throws(SpecError) {
        try field.allow([
            "closID", "l3CacheSchema", "memBwSchema", "schemata", "enableMonitoring", "enableCMT",
            "enableMBM",
        ])
        _ = try gate.optional("schemata", since: "1.1.0", in: field)
        if let member = try field.optional("enableMonitoring") {
            try gate.require("1.1.0", member, when: member.bool())
        }
        try self.init(field)
    }
}

extension Field {
    /// Host interface → its name in the container, each once.
    fileprivate func cdiNetDevices() throws(SpecError) -> [String: String] {
        var devices: [String: String] = [:]
        for item in try items() {
            try item.allow(["hostInterfaceName", "name"])
            let (host, inside) = (
                try item.required("hostInterfaceName"), try item.required("name")
            )
            try host.checkInterfaceName(host.nonEmptyString())
            try inside.checkInterfaceName(inside.nonEmptyString())
            let (from, to) = (try host.string(), try inside.string())
            guard devices[from] == nil else {
                throw host.problem("\(Field.quoted(from)) stands twice")
            }
            guard !devices.values.contains(to) else {
                throw inside.problem("\(Field.quoted(to)) stands twice")
            }
            devices[from] = to
        }
        return devices
    }
}
