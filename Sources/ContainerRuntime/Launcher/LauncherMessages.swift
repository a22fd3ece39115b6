/// What the agent asks of the launcher; one message each, with descriptors where noted.
public enum LauncherRequest: Sendable {
    /// Comes with descriptors: the container's stdout and stderr, and its stdin where it has one.
    case start(id: String, ContainerSpec, StopRule)
    /// Set it up, and let it wait before its program until it is released. Comes with the descriptors of `start`.
    case prepare(id: String, ContainerSpec, StopRule)
    /// Start what was prepared.
    case release(id: String, StopRule)
    /// What was prepared is not wanted. Nothing is told of it.
    case discard(id: String)
    case stop(id: String)
    /// Stop it where it is, and its time with it; let it go on.
    case pause(id: String)
    case resume(id: String)
    /// Another time limit, in milliseconds from its start; nil means none.
    case limit(id: String, Int64?)
    /// Put a process into a running container. Comes with its stdin, stdout and stderr, or with none where it gets a terminal.
    /// `id` is the agent's choice, and names it in what is told of it.
    case exec(id: String, container: String, ExecSpec)
    /// Whoever sat at that process has gone: SIGHUP to its group.
    case hangUp(id: String)
    /// These exits are safe elsewhere.
    case acknowledge([String])
    /// Kill every container and end.
    case shutdown
}

/// What the launcher tells the agent.
public enum LauncherEvent: Sendable {
    /// First on every connection. `exited` holds all that nobody has acknowledged. `skills` is 0 from launchers that know neither
    /// `pause`, nor `resume`, nor `limit`, and 1 from those that prepare nothing.
    case hello(
        epoch: String, running: [ContainerStart], exited: [ContainerExit], skills: UInt8 = 2)
    /// Comes with the near end of its terminal where it has one.
    case started(ContainerStart)
    /// Comes with a descriptor of the writable layer where it was to be kept.
    case exited(ContainerExit)
    /// Comes with the near end of its terminal where it has one.
    case execStarted(id: String)
    /// It ended, or never began. Told once, to the agent that asked for it; nobody acknowledges it.
    case execEnded(id: String, ContainerExit.Status)
}

extension LauncherRequest {
    public var bytes: [UInt8] {
        var out = WireWriter()
        switch self {
        case .start(let id, let spec, let rule):
            out.put(UInt8(1))
            out.put(id)
            spec.write(to: &out)
            rule.write(to: &out)
        case .prepare(let id, let spec, let rule):
            out.put(UInt8(10))
            out.put(id)
            spec.write(to: &out)
            rule.write(to: &out)
        case .release(let id, let rule):
            out.put(UInt8(11))
            out.put(id)
            rule.write(to: &out)
        case .discard(let id):
            out.put(UInt8(12))
            out.put(id)
        case .stop(let id):
            out.put(UInt8(2))
            out.put(id)
        case .acknowledge(let ids):
            out.put(UInt8(3))
            out.put(ids) { $0.put($1) }
        case .shutdown:
            out.put(UInt8(4))
        case .exec(let id, let container, let spec):
            out.put(UInt8(5))
            out.put(id)
            out.put(container)
            spec.write(to: &out)
        case .hangUp(let id):
            out.put(UInt8(6))
            out.put(id)
        case .pause(let id):
            out.put(UInt8(7))
            out.put(id)
        case .resume(let id):
            out.put(UInt8(8))
            out.put(id)
        case .limit(let id, let limit):
            out.put(UInt8(9))
            out.put(id)
            out.put(limit)
        }
        return out.bytes
    }

    public init(_ bytes: ArraySlice<UInt8>) throws {
        var wire = WireReader(bytes)
        switch try wire.byte() {
        case 1:
            self = .start(
                id: try wire.string(), try ContainerSpec(from: &wire),
                // An agent of an older version ends before the last part of it.
                try StopRule(from: &wire, mayEndEarly: true))
        case 2: self = .stop(id: try wire.string())
        case 3: self = .acknowledge(try wire.list { try $0.string() })
        case 4: self = .shutdown
        case 5:
            self = .exec(
                id: try wire.string(), container: try wire.string(), try ExecSpec(from: &wire))
        case 6: self = .hangUp(id: try wire.string())
        case 7: self = .pause(id: try wire.string())
        case 8: self = .resume(id: try wire.string())
        case 9: self = .limit(id: try wire.string(), try wire.optionalInt64())
        case 10:
            self = .prepare(
                id: try wire.string(), try ContainerSpec(from: &wire), try StopRule(from: &wire))
        case 11: self = .release(id: try wire.string(), try StopRule(from: &wire))
        case 12: self = .discard(id: try wire.string())
        default: throw WireReader.Malformed()
        }
    }
}

extension LauncherEvent {
    public var bytes: [UInt8] {
        var out = WireWriter()
        switch self {
        case .hello(let epoch, let running, let exited, let skills):
            out.put(UInt8(1))
            out.put(epoch)
            out.put(running) { $1.write(to: &$0) }
            out.put(exited) { $1.write(to: &$0) }
            out.put(skills)
        case .started(let start):
            out.put(UInt8(2))
            start.write(to: &out)
        case .exited(let exit):
            out.put(UInt8(3))
            exit.write(to: &out)
        case .execStarted(let id):
            out.put(UInt8(4))
            out.put(id)
        case .execEnded(let id, let status):
            out.put(UInt8(5))
            out.put(id)
            status.write(to: &out)
        }
        return out.bytes
    }

    public init(_ bytes: ArraySlice<UInt8>) throws {
        var wire = WireReader(bytes)
        switch try wire.byte() {
        case 1:
            self = .hello(
                epoch: try wire.string(), running: try wire.list { try ContainerStart(from: &$0) },
                exited: try wire.list { try ContainerExit(from: &$0) },
                skills: wire.isAtEnd ? 0 : try wire.byte())
        case 2: self = .started(try ContainerStart(from: &wire))
        case 3: self = .exited(try ContainerExit(from: &wire))
        case 4: self = .execStarted(id: try wire.string())
        case 5:
            self = .execEnded(id: try wire.string(), try ContainerExit.Status(from: &wire))
        default: throw WireReader.Malformed()
        }
    }
}

extension StopRule {
    func write(to out: inout WireWriter) {
        out.put(timeLimit)
        out.put(signal)
        out.put(grace)
        out.put(before)
    }
    init(from wire: inout WireReader, mayEndEarly: Bool = false) throws {
        self.init(
            timeLimit: try wire.optionalInt64(), signal: try wire.int32(),
            grace: try wire.int64(),
            before: mayEndEarly && wire.isAtEnd ? nil : try wire.optionalInt64())
    }
}

extension EnforcementReached {
    func write(to out: inout WireWriter) {
        out.put(cpu)
        out.put(memory)
        out.put(pids)
        out.put(cpuBinding)
        out.put(memoryBinding)
        out.put(memoryPolicy)
    }
    init(from wire: inout WireReader) throws {
        self.init()
        cpu = try wire.string()
        memory = try wire.string()
        pids = try wire.string()
        cpuBinding = try wire.string()
        memoryBinding = try wire.string()
        memoryPolicy = try wire.string()
    }
}

extension ContainerStart {
    func write(to out: inout WireWriter) {
        out.put(id)
        out.put(at)
        enforcement.write(to: &out)
        out.put(ports) { $1.write(to: &$0) }
    }
    init(from wire: inout WireReader) throws {
        self.init(
            id: try wire.string(), at: try wire.int64(),
            enforcement: try EnforcementReached(from: &wire),
            ports: try wire.list { try ContainerSpec.Port(from: &$0) })
    }
}

extension ContainerExit.Status {
    func write(to out: inout WireWriter) {
        switch self {
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
    }

    init(from wire: inout WireReader) throws {
        self =
            switch try wire.byte() {
            case 0: .code(try wire.int32())
            case 1: .signal(try wire.int32())
            case 2:
                .startFailure(
                    step: try wire.string(), subject: try wire.string(), errno: try wire.int32())
            default: throw WireReader.Malformed()
            }
    }
}

extension ContainerExit {
    func write(to out: inout WireWriter) {
        out.put(id)
        status.write(to: &out)
        for number in [started, ended, userMicroseconds, systemMicroseconds, peakMemory] {
            out.put(number)
        }
        for flag in [outOfMemory, timedOut, stopped] { out.put(flag) }
        enforcement.write(to: &out)
    }

    init(from wire: inout WireReader) throws {
        let id = try wire.string()
        let status = try Status(from: &wire)
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
