internal import CLinux
internal import Glibc
internal import LinuxSystem
package import OCIRuntimeSpec

/// What a caller of `exec` says beside the process.
package struct ExecSettings: Sendable {
    package let home: ContainerHome
    package let process: ProcessSpec
    package var pidFile: String?
    /// A Unix socket that is sent the terminal.
    package var consoleSocket: String?
    /// Descriptors from 3 on that the process gets.
    package var preserved: UInt32 = 0
    package var isDetached = false
    package var ignoresPause = false

    package init(home: ContainerHome, process: ProcessSpec) {
        self.home = home
        self.process = process
    }
}

/// `exec`: another process in a container that runs.
package enum ContainerExecution {
    /// Returns its exit status, or 0 at once where it is detached.
    package static func run(_ settings: ExecSettings) throws -> Int32 {
        let home = settings.home
        let record = try home.read()
        try require(home.status(record), settings)
        if settings.process.terminal, settings.isDetached, settings.consoleSocket == nil {
            throw BundlePlan.problem(
                "process.terminal",
                "a terminal needs --console-socket where nobody stays to show it")
        }
        let signals = settings.isDetached ? nil : try ForwardedSignals()
        let target = try OwnedFD(checking: cl_pidfd_open(record.pid), "exec", home.id)
        guard ContainerHome.lives(record) else {
            throw SystemError("exec", home.id, errno: ESRCH, hint: "container not running")
        }
        let cgroup = try ContainerCgroup(record: record.cgroup)
        let plan = try steps(settings, record, cgroup)
        // Bare numbers: on the child's path nothing returns, and an owner would be closed after its last mention.
        let (near, far) = try UnixSocket.pair(.messages).release()
        defer { close(near) }
        let (middle, isOutside) = try clone(cgroup, beside: record)
        if middle == 0 {
            if isOutside { awaitAdmission(far) }
            child(plan, target.raw, far)
        }
        close(far)
        do {
            if isOutside {
                try cgroup.attach(middle, beside: record.pid)
                _ = try UnixSocket.send(near, [1])
            }
            let (pid, terminal) = try attend(near, middle, settings)
            defer { if terminal >= 0 { close(terminal) } }
            if let file = settings.pidFile {
                try Files.writeAtomically(file, "\(pid)".utf8, durable: false)
            }
            guard let signals else { return 0 }
            let screen = terminal >= 0 ? try TerminalRelay(terminal) : nil
            defer { screen?.restore() }
            return signals.wait(for: pid, screen)
        } catch {
            // What nobody waits for must not run.
            OwnChildren.end()
            throw error
        }
    }

    /// Into the container's v2 cgroup; outside of it where only systemd may move anything in.
    private static func clone(_ cgroup: ContainerCgroup, beside record: ContainerRecord)
        throws(SystemError) -> (pid: pid_t, isOutside: Bool)
    {
        let group = try cgroup.openForClone(beside: record.pid) ?? -1
        defer { if group >= 0 { close(group) } }
        let inside = cl_clone3(0, nil, group)
        guard inside == -Int64(EACCES), cgroup.scope != nil else {
            return (pid_t(try check(inside, "clone3", record.id)), false)
        }
        return (pid_t(try check(cl_clone3(0, nil, -1), "clone3", record.id)), true)
    }

    /// In the child: until it has been moved.
    private static func awaitAdmission(_ status: Int32) {
        var word: [UInt8] = [0]
        guard let (count, _) = try? UnixSocket.receive(status, into: &word), count == 1 else {
            // Whoever would have moved it has gone, or cannot.
            _exit(127)
        }
    }

    private static func require(_ status: ContainerState.Status, _ settings: ExecSettings)
        throws(SystemError)
    {
        switch status {
        case .running, .created: return
        case .paused where settings.ignoresPause: return
        case .paused:
            throw SystemError(
                "exec", settings.home.id, errno: EBUSY, hint: "it is paused; resume it first")
        default:
            throw SystemError(
                "exec", settings.home.id, errno: ESRCH,
                hint: "container not running: it is \(status.rawValue)")
        }
    }

    // MARK: The plan

    private static func steps(
        _ settings: ExecSettings, _ record: ContainerRecord, _ cgroup: ContainerCgroup
    ) throws -> [SetupStep] {
        let process = settings.process
        let namespaces = try NamespaceKind.apart(from: record.pid)
        var host = BundleHost.detect()
        host.preserved = settings.preserved
        var steps = cgroup.directoriesToJoin.map(SetupStep.joinCgroup)
        if let cpus = try affinity(process.execCPUAffinity.initial, "initial") {
            steps.insert(.affinity(cpus), at: 0)
        }
        if let score = process.oomScoreAdj { steps.append(.process(.oomScore(score))) }
        steps += [.undumpable, .closeDescriptors(preserved: host.preserved)]
        steps.append(.joinNamespaces(namespaces))
        if namespaces & Namespace.pid != 0 { steps.append(.enterProcessNamespace) }
        steps.append(.session)
        if record.hasKeyring { steps.append(.process(.sessionKeyring(record.id))) }
        if process.terminal {
            let size = process.consoleSize.map { TerminalSize(rows: $0.height, columns: $0.width) }
            steps.append(.terminal(size ?? TerminalSize(rows: 0, columns: 0), onConsole: false))
        }
        if let cpus = try affinity(process.execCPUAffinity.final, "final") {
            steps.append(.affinity(cpus))
        }
        let plan = ProcessPlan(
            process: process,
            filter: try settings.home.spec().linux.seccomp.map {
                try settings.home.filter(for: $0)
            }, host: host, canSetGroups: canSetGroups(record.pid))
        steps += try plan.traits()
        steps += try plan.privileges()
        steps += try plan.entry()
        return steps
    }

    private static func affinity(_ text: String?, _ name: String) throws(SpecError) -> [Int]? {
        guard let text, !text.isEmpty else { return nil }
        guard let cpus = NumberList.parse(text) else {
            throw BundlePlan.problem(
                "process.execCPUAffinity.\(name)", "\(text) is no list of CPUs")
        }
        return cpus
    }

    /// user_namespaces(7), of the container's user namespace.
    private static func canSetGroups(_ pid: Int32) -> Bool {
        // Where it cannot be read, setgroups(2) itself says no.
        ((try? Files.text("/proc/\(pid)/setgroups")) ?? "").hasPrefix("allow")
    }

    // MARK: Processes

    private static func child(_ steps: [SetupStep], _ target: Int32, _ status: Int32) -> Never {
        var child = ContainerChild(trees: nil, table: nil, status: status)
        child.target = target
        do throws(SystemError) {
            cl_default_signals()
            var none = sigset_t()
            sigemptyset(&none)
            sigprocmask(SIG_SETMASK, &none, nil)
            for step in steps { try child.perform(step) }
        } catch {
            // The runtime may be gone; then nobody asks.
            _ = try? UnixSocket.send(
                status, [ContainerChild.Told.failure] + ContainerChild.encode(error))
        }
        _exit(127)
    }

    /// Until its program runs. Returns its pid, and the terminal where nobody else was sent it.
    private static func attend(_ status: Int32, _ middle: pid_t, _ settings: ExecSettings) throws
        -> (pid: pid_t, terminal: Int32)
    {
        var (pid, terminal): (pid_t, Int32) = (middle, -1)
        var buffer = [UInt8](repeating: 0, count: ContainerChild.longestMessage)
        while let (count, descriptors) = try UnixSocket.receive(status, into: &buffer), count > 0 {
            switch buffer[0] {
            case ContainerChild.Told.failure:
                let failure = ContainerChild.decode(buffer[1..<count])
                throw SystemError(failure.step, failure.subject, errno: failure.errno)
            case ContainerChild.Told.pid:
                var wire = WireReader(buffer[1..<count])
                // Written by our own child, so it reads.
                pid = pid_t((try? wire.int64()) ?? 0)
                var ended = cl_exit()
                _ = cl_wait(middle, true, &ended)
            case ContainerChild.Told.listener:
                var state = try settings.home.read().state(.running)
                state.pid = pid
                try settings.home.handOver(descriptors, state, try settings.home.spec())
            case ContainerChild.Told.terminal:
                terminal = try Terminals.handOver(descriptors, settings.consoleSocket)
            default: for fd in descriptors { close(fd) }
            }
        }
        return (pid, terminal)
    }
}

/// What becomes of the near end of a terminal.
enum Terminals {
    /// Sends it to whoever asked for it; -1 then. Else it is the caller's.
    static func handOver(_ descriptors: [Int32], _ socketPath: String?) throws(SystemError) -> Int32
    {
        guard let near = descriptors.first else { return -1 }
        guard let path = socketPath else { return near }
        defer { close(near) }
        let socket = try UnixSocket.connect(path, .stream)
        // The name is for people: the descriptor is what counts.
        _ = try UnixSocket.send(socket.raw, Array("/dev/pts/0".utf8), descriptors: [near])
        return -1
    }
}
