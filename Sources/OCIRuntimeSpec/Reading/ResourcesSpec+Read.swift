extension ResourcesSpec {
    /// Reads a document that is resources by itself, as `update --resources` is given. `name` stands in front of errors.
    public init(json: [UInt8], name: String = "resources.json") throws(SpecError) {
        try self.init(Document(json, name: name).root)
    }

    init(_ field: Field) throws(SpecError) {
        devices = try field.list("devices", DeviceRule.init)
        if let field = try field.optional("memory") { memory = try MemorySpec(field) }
        if let field = try field.optional("cpu") { cpu = try CPUSpec(field) }
        pidsLimit = try field.optional("pids")?.optional("limit")?.integer(-1...Int64.max)
        blockIO = try field.optional("blockIO").map { (field) throws(SpecError) in
            try BlockIOSpec(field)
        }
        hugepageLimits = try field.list("hugepageLimits", HugepageLimit.init)
        network = try field.optional("network").map { (field) throws(SpecError) in
            try NetworkSpec(field)
        }
        rdma = try field.map("rdma", RdmaLimit.init)
        unified = try Self.unified(field)
    }

    private static func unified(_ field: Field) throws(SpecError) -> [String: String] {
        guard let field = try field.optional("unified") else { return [:] }
        var files: [String: String] = [:]
        for (file, content) in try field.members() {
            guard Field.isFileName(file) else {
                throw content.problem("\(Field.quoted(file)) is no file of a cgroup")
            }
            files[file] = try content.string()
        }
        return files
    }
}

extension DeviceRule {
    init(_ field: Field) throws(SpecError) {
        self.init(allow: try field.required("allow").bool())
        if let type = try field.optional("type"), try type.stringIfAny() != nil {
            _ = try type.choice(of: ["a", "c", "b"], "type of device")
            kind = try type.string()
        }
        major = try Self.number(field.optional("major"), DeviceSpec.majors)
        minor = try Self.number(field.optional("minor"), DeviceSpec.minors)
        guard let field = try field.optional("access"), let access = try field.stringIfAny() else {
            return
        }
        guard access.utf8.allSatisfy("rwm".utf8.contains) else {
            throw field.problem("\(Field.quoted(access)) is more than r, w and m")
        }
        self.access = access
    }

    /// Nil for any: dockerd writes -1 for `*`.
    private static func number(_ field: Field?, _ range: ClosedRange<Int64>) throws(SpecError)
        -> Int64?
    {
        let number = try field?.integer(-1...range.upperBound)
        return number == -1 ? nil : number
    }
}

extension MemorySpec {
    init(_ field: Field) throws(SpecError) {
        limit = try field.optional("limit")?.integer(-1...Int64.max)
        reservation = try field.optional("reservation")?.integer(-1...Int64.max)
        swap = try field.optional("swap")?.integer(-1...Int64.max)
        kernel = try field.optional("kernel")?.integer(-1...Int64.max)
        kernelTCP = try field.optional("kernelTCP")?.integer(-1...Int64.max)
        swappiness = try field.optional("swappiness")?.integer(0...100)
        disableOOMKiller = try field.optional("disableOOMKiller")?.bool()
        useHierarchy = try field.optional("useHierarchy")?.bool()
        checkBeforeUpdate = try field.optional("checkBeforeUpdate")?.bool()
    }
}

extension CPUSpec {
    init(_ field: Field) throws(SpecError) {
        shares = try field.optional("shares")?.integer()
        quota = try field.optional("quota")?.integer(-1...Int64.max)
        burst = try field.optional("burst")?.integer()
        period = try field.optional("period")?.integer()
        realtimeRuntime = try field.optional("realtimeRuntime")?.integer(-1...Int64.max)
        realtimePeriod = try field.optional("realtimePeriod")?.integer()
        cpus = try field.optional("cpus")?.cpuList()
        mems = try field.optional("mems")?.cpuList()
        idle = try field.optional("idle")?.integer(0...1)
        if let quota, quota > 0, let burst, burst > UInt64(quota) {
            throw field.problem("is above quota", at: "burst")
        }
    }
}

extension HugepageLimit {
    init(_ field: Field) throws(SpecError) {
        let size = try field.required("pageSize")
        self.init(
            pageSize: try size.string(), limit: try field.required("limit").integer())
        // Becomes part of a file's name: hugetlb.2MB.max.
        let digits = pageSize.utf8.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        guard !digits.isEmpty, ["KB", "MB", "GB"].contains(pageSize.dropFirst(digits.count)) else {
            throw size.problem("\(Field.quoted(pageSize)) is no size such as 2MB")
        }
    }
}

extension NetworkSpec {
    init(_ field: Field) throws(SpecError) {
        classID = try field.optional("classID")?.integer()
        for item in try field.optional("priorities")?.items() ?? [] {
            let name = try item.required("name")
            try name.checkInterfaceName(name.string())
            priorities[try name.string()] = try item.required("priority").integer()
        }
    }
}

extension RdmaLimit {
    init(_ field: Field) throws(SpecError) {
        hcaHandles = try field.optional("hcaHandles")?.integer()
        hcaObjects = try field.optional("hcaObjects")?.integer()
        guard hcaHandles != nil || hcaObjects != nil else {
            throw field.problem("neither hcaHandles nor hcaObjects is given")
        }
    }
}
