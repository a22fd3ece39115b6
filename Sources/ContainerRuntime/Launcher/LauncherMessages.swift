/// What the agent asks of the launcher; one message each, with descriptors where noted.
public enum LauncherRequest: Sendable {
    /// Comes with two descriptors: the container's stdout and stderr.
    case start(id: String, ContainerSpec, StopRule)
    case stop(id: String)
    /// These exits are safe elsewhere.
    case acknowledge([String])
    /// Kill every container and end.
    case shutdown
}

/// What the launcher tells the agent.
public enum LauncherEvent: Sendable {
    /// First on every connection. `exited` holds all that nobody has acknowledged.
    case hello(epoch: String, running: [ContainerStart], exited: [ContainerExit])
    case started(ContainerStart)
    /// Comes with a descriptor of the writable layer where it was to be kept.
    case exited(ContainerExit)
}

extension LauncherRequest {
    public var bytes: [UInt8] {
        var out = WireWriter()
        switch self {
        case .start(let id, let spec, let rule):
            out.put(UInt8(1))
            out.put(id)
            spec.write(to: &out)
            out.put(rule.timeLimit)
            out.put(rule.signal)
            out.put(rule.grace)
        case .stop(let id):
            out.put(UInt8(2))
            out.put(id)
        case .acknowledge(let ids):
            out.put(UInt8(3))
            out.put(ids) { $0.put($1) }
        case .shutdown:
            out.put(UInt8(4))
        }
        return out.bytes
    }

    public init(_ bytes: ArraySlice<UInt8>) throws {
        var wire = WireReader(bytes)
        switch try wire.byte() {
        case 1:
            self = .start(
                id: try wire.string(), try ContainerSpec(from: &wire),
                StopRule(
                    timeLimit: try wire.optionalInt64(), signal: try wire.int32(),
                    grace: try wire.int64()))
        case 2: self = .stop(id: try wire.string())
        case 3: self = .acknowledge(try wire.list { try $0.string() })
        case 4: self = .shutdown
        default: throw WireReader.Malformed()
        }
    }
}

extension LauncherEvent {
    public var bytes: [UInt8] {
        var out = WireWriter()
        switch self {
        case .hello(let epoch, let running, let exited):
            out.put(UInt8(1))
            out.put(epoch)
            out.put(running) { $1.write(to: &$0) }
            out.put(exited) { $1.write(to: &$0) }
        case .started(let start):
            out.put(UInt8(2))
            start.write(to: &out)
        case .exited(let exit):
            out.put(UInt8(3))
            exit.write(to: &out)
        }
        return out.bytes
    }

    public init(_ bytes: ArraySlice<UInt8>) throws {
        var wire = WireReader(bytes)
        switch try wire.byte() {
        case 1:
            self = .hello(
                epoch: try wire.string(), running: try wire.list { try ContainerStart(from: &$0) },
                exited: try wire.list { try ContainerExit(from: &$0) })
        case 2: self = .started(try ContainerStart(from: &wire))
        case 3: self = .exited(try ContainerExit(from: &wire))
        default: throw WireReader.Malformed()
        }
    }
}

extension EnforcementReached {
    func write(to out: inout WireWriter) {
        out.put(cpu)
        out.put(memory)
        out.put(pids)
    }
    init(from wire: inout WireReader) throws {
        self.init()
        cpu = try wire.string()
        memory = try wire.string()
        pids = try wire.string()
    }
}

extension ContainerStart {
    func write(to out: inout WireWriter) {
        out.put(id)
        out.put(at)
        enforcement.write(to: &out)
    }
    init(from wire: inout WireReader) throws {
        self.init(
            id: try wire.string(), at: try wire.int64(),
            enforcement: try EnforcementReached(from: &wire))
    }
}

extension ContainerExit {
    func write(to out: inout WireWriter) {
        out.put(id)
        switch status {
        case .code(let code):
            out.put(UInt8(0))
            out.put(code)
        case .signal(let signal):
            out.put(UInt8(1))
            out.put(signal)
        case .startFailure(let step, let subject, let errno):
            out.put(UInt8(2))
            out.put(step)
            out.put(subject)
            out.put(errno)
        }
        for number in [started, ended, userMicroseconds, systemMicroseconds, peakMemory] {
            out.put(number)
        }
        for flag in [outOfMemory, timedOut, stopped] { out.put(flag) }
        enforcement.write(to: &out)
    }

    init(from wire: inout WireReader) throws {
        let id = try wire.string()
        let status: Status =
            switch try wire.byte() {
            case 0: .code(try wire.int32())
            case 1: .signal(try wire.int32())
            case 2:
                .startFailure(
                    step: try wire.string(), subject: try wire.string(), errno: try wire.int32())
            default: throw WireReader.Malformed()
            }
        self.init(id: id, status: status, started: try wire.int64(), ended: try wire.int64())
        userMicroseconds = try wire.int64()
        systemMicroseconds = try wire.int64()
        peakMemory = try wire.int64()
        outOfMemory = try wire.bool()
        timedOut = try wire.bool()
        stopped = try wire.bool()
        enforcement = try EnforcementReached(from: &wire)
    }
}
