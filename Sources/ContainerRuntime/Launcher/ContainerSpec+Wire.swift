internal import OCIRuntimeSpec

extension ContainerSpec {
    func write(to out: inout WireWriter) {
        switch root {
        case .host: out.put(UInt8(0))
        case .layers(let layers):
            out.put(UInt8(1))
            out.put(layers) { $0.put($1) }
        }
        out.put(readOnlyRoot)
        out.put(keepUpper)
        out.put(arguments) { $0.put($1) }
        out.put(environment) { $0.put($1) }
        out.put(workingDirectory)
        out.put(user)
        out.put(hostname)
        if case .private(let ports) = network {
            out.put(true)
            out.put(ports) { $1.write(to: &$0) }
        } else {
            out.put(false)
        }
        out.put(mounts) { out, mount in
            out.put(mount.kind.rawValue)
            out.put(mount.source)
            out.put(mount.destination)
            out.put(mount.readOnly)
            out.put(mount.size)
        }
        out.put(shmSize)
        out.put(cpus) { $0.put($1) }
        MemoryPolicy.write(memoryPolicy, to: &out)
        out.put(memoryNodes) { $0.put($1) }
        devices.write(to: &out)
        out.put(memoryLimit)
        out.put(pidsLimit)
        out.put(resourceLimits) { $1.write(to: &$0) }
        out.put(withInit)
        seccomp.write(to: &out)
        out.put(isPrivileged)
        TerminalSize.write(terminal, to: &out)
    }

    init(from wire: inout WireReader) throws {
        let root: Root = try wire.byte() == 0 ? .host : .layers(try wire.list { try $0.string() })
        let readOnlyRoot = try wire.bool()
        let keepUpper = try wire.bool()
        self.init(root: root, arguments: try wire.list { try $0.string() })
        self.readOnlyRoot = readOnlyRoot
        self.keepUpper = keepUpper
        environment = try wire.list { try $0.string() }
        workingDirectory = try wire.string()
        user = try wire.string()
        hostname = try wire.string()
        network = try wire.bool() ? .private(try wire.list { try Port(from: &$0) }) : .host
        mounts = try wire.list { wire in
            guard let kind = Mount.Kind(rawValue: try wire.byte()) else {
                throw WireReader.Malformed()
            }
            return Mount(
                kind, source: try wire.string(), destination: try wire.string(),
                readOnly: try wire.bool(),
                size: try wire.optionalInt64())
        }
        shmSize = try wire.optionalInt64()
        cpus = try wire.list { try $0.int() }
        memoryPolicy = try MemoryPolicy.read(from: &wire)
        memoryNodes = try wire.list { try $0.int() }
        devices = try DeviceInjection(from: &wire)
        memoryLimit = try wire.optionalInt64()
        pidsLimit = try wire.optionalInt64()
        resourceLimits = try wire.list { try ResourceLimit(from: &$0) }
        withInit = try wire.bool()
        seccomp = try Seccomp(from: &wire)
        isPrivileged = try wire.bool()
        terminal = try TerminalSize.read(from: &wire)
    }
}

extension ContainerSpec.Seccomp {
    func write(to out: inout WireWriter) {
        switch self {
        case .standard: out.put(UInt8(0))
        case .unconfined: out.put(UInt8(1))
        case .profile(let spec):
            out.put(UInt8(2))
            spec.write(to: &out)
        }
    }

    init(from wire: inout WireReader) throws {
        switch try wire.byte() {
        case 0: self = .standard
        case 1: self = .unconfined
        case 2: self = .profile(try SeccompSpec(from: &wire))
        default: throw WireReader.Malformed()
        }
    }
}

extension ContainerSpec.ResourceLimit {
    func write(to out: inout WireWriter) {
        out.put(resource)
        out.put(Int64(bitPattern: soft))
        out.put(Int64(bitPattern: hard))
    }

    init(from wire: inout WireReader) throws {
        self.init(
            resource: try wire.int32(), soft: UInt64(bitPattern: try wire.int64()),
            hard: UInt64(bitPattern: try wire.int64()))
    }
}

extension MemoryPolicy {
    static func write(_ policy: MemoryPolicy?, to out: inout WireWriter) {
        out.put(policy?.mode.rawValue ?? 0)
        out.put(policy?.nodes ?? []) { $0.put($1) }
    }

    static func read(from wire: inout WireReader) throws -> MemoryPolicy? {
        let (number, nodes) = (try wire.int32(), try wire.list { try $0.int() })
        if number == 0 { return nil }
        guard let mode = Mode(rawValue: number), !nodes.isEmpty,
            // MAX_NUMNODES is 1024 at most.
            nodes.allSatisfy({ (0..<1 << 16).contains($0) })
        else { throw WireReader.Malformed() }
        return MemoryPolicy(mode, nodes)
    }
}

extension TerminalSize {
    static func write(_ size: TerminalSize?, to out: inout WireWriter) {
        out.put(size.map { Int64($0.rows) << 16 | Int64($0.columns) })
    }

    static func read(from wire: inout WireReader) throws -> TerminalSize? {
        try wire.optionalInt64().map {
            TerminalSize(
                rows: UInt16(truncatingIfNeeded: $0 >> 16), columns: UInt16(truncatingIfNeeded: $0))
        }
    }
}

extension ContainerSpec.Port {
    func write(to out: inout WireWriter) {
        out.put(address)
        out.put(Int(hostPort))
        out.put(Int(containerPort))
        out.put(isUDP)
        out.put(variable)
    }

    init(from wire: inout WireReader) throws {
        func port() throws -> UInt16 {
            guard let port = UInt16(exactly: try wire.int()) else { throw WireReader.Malformed() }
            return port
        }
        self.init(
            address: try wire.string(), hostPort: try port(), containerPort: try port(),
            isUDP: try wire.bool(), variable: try wire.string())
    }
}
