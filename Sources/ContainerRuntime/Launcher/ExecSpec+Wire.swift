extension ExecSpec {
    func write(to out: inout WireWriter) {
        out.put(arguments) { $0.put($1) }
        out.put(environment) { $0.put($1) }
        out.put(workingDirectory)
        switch identity {
        case .named(let user):
            out.put(UInt8(0))
            out.put(user)
        case .ids(let uid, let gid, let groups):
            out.put(UInt8(1))
            out.put([uid, gid] + groups) { $0.put(Int64($1)) }
        }
        out.put(Int64(umask))
        switch privileges {
        case .ofRoot(let set): out.put([set]) { $0.put(Int64(bitPattern: $1)) }
        case .sets(let sets): out.put(sets.masks) { $0.put(Int64(bitPattern: $1)) }
        }
        out.put(noNewPrivileges)
        TerminalSize.write(terminal, to: &out)
        out.put(resourceLimits) { $1.write(to: &$0) }
        out.put(cpus) { $0.put($1) }
        MemoryPolicy.write(memoryPolicy, to: &out)
    }

    init(from wire: inout WireReader) throws {
        self.init(arguments: try wire.list { try $0.string() })
        environment = try wire.list { try $0.string() }
        workingDirectory = try wire.string()
        identity = try Identity(from: &wire)
        umask = UInt32(truncatingIfNeeded: try wire.int64())
        privileges = try Privileges(from: &wire)
        noNewPrivileges = try wire.bool()
        terminal = try TerminalSize.read(from: &wire)
        resourceLimits = try wire.list { try ContainerSpec.ResourceLimit(from: &$0) }
        cpus = try wire.list { try $0.int() }
        memoryPolicy = try MemoryPolicy.read(from: &wire)
    }
}

extension ExecSpec.Identity {
    init(from wire: inout WireReader) throws {
        guard try wire.byte() == 1 else {
            self = .named(try wire.string())
            return
        }
        let ids = try wire.list { UInt32(truncatingIfNeeded: try $0.int64()) }
        guard ids.count >= 2 else { throw WireReader.Malformed() }
        self = .ids(uid: ids[0], gid: ids[1], groups: Array(ids.dropFirst(2)))
    }
}

extension ExecSpec.Privileges {
    init(from wire: inout WireReader) throws {
        let masks = try wire.list { UInt64(bitPattern: try $0.int64()) }
        switch masks.count {
        case 1: self = .ofRoot(masks[0])
        case 5: self = .sets(CapabilitySets(masks: masks))
        default: throw WireReader.Malformed()
        }
    }
}

extension CapabilitySets {
    fileprivate var masks: [UInt64] { [bounding, effective, permitted, inheritable, ambient] }

    fileprivate init(masks: [UInt64]) {
        self.init(
            bounding: masks[0], effective: masks[1], permitted: masks[2], inheritable: masks[3],
            ambient: masks[4])
    }
}
