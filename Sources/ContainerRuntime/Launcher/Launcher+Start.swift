internal import CLinux
internal import Glibc
internal import LinuxSystem

/// A container to start, with the descriptors that came along.
struct StartRequest {
    let id: String
    let spec: ContainerSpec
    var rule: StopRule
    let stdout: Int32
    let stderr: Int32
    /// Nil means nothing to read.
    let stdin: Int32?

    var start: ContainerStart { ContainerStart(id: id, at: Clock.now(), enforcement: .init()) }

    func close() {
        Glibc.close(stdout)
        Glibc.close(stderr)
        if let stdin { Glibc.close(stdin) }
    }
}

extension Launcher {
    enum StartOutcome { case begun, failed, postponed }

    /// Takes the request.
    func begin(_ request: StartRequest) {
        guard start(request) == .postponed else { return request.close() }
        postponed.append(request)
    }

    /// Clones the child and goes on; what becomes of it arrives by the status socket and SIGCHLD.
    /// The descriptors stay the caller's, who closes them unless the start is postponed.
    func start(_ request: StartRequest) -> StartOutcome {
        do throws(SystemError) {
            running[request.id] = try launch(request)
            watchTime(of: request.id)
            return .begun
        } catch {
            if canWait(for: error) { return .postponed }
            let now = Clock.now()
            let subject = error.subject + (error.hint.map { " (\($0))" } ?? "")
            record(
                ContainerExit(
                    id: request.id,
                    status: .startFailure(step: error.step, subject: subject, errno: error.errno),
                    started: now, ended: now))
            return .failed
        }
    }

    /// Out of descriptors or processes, while something is there whose end gives some back.
    private func canWait(for error: SystemError) -> Bool {
        [EMFILE, ENFILE, EAGAIN].contains(error.errno)
            && (!running.isEmpty || ended.values.contains { $0.upper != nil })
    }

    /// Something has ended: those that waited, in their order.
    func startPostponed() {
        while let request = postponed.first, start(request) != .postponed {
            request.close()
            postponed.removeFirst()
        }
    }

    /// The child that is being set up. One that `waits` comes as far as to its program.
    func launch(_ request: StartRequest, waits: Bool = false) throws(SystemError) -> Running {
        let slot = try cgroups.take(request.spec)
        do throws(SystemError) {
            return try launch(request, slot, waits)
        } catch {
            if let slot { cgroups.give(slot, isUsedUp: false) }
            throw error
        }
    }

    private func launch(_ request: StartRequest, _ slot: Cgroups.Slot?, _ waits: Bool)
        throws(SystemError) -> Running
    {
        let (id, rule) = (request.id, request.rule)
        guard !request.spec.isPrivileged || !trees.host.inUserNamespace else {
            throw SystemError(
                "start", "privileged", errno: EPERM,
                hint: "a launcher of an ordinary user has no privileges to give")
        }
        let before = slot.map { cgroups.usage($0).kills } ?? 0
        var enforcement = cgroups.reached(request.spec, slot)
        let layer = request.spec.hasWritableLayer ? layers?.next() : nil
        var spec = limited(request.spec, enforcement)
        spec.memoryPolicy = try spec.memoryPolicy?.accepted(
            isWalled: enforcement.memoryBinding != "none")
        enforcement.memoryPolicy = spec.memoryPolicy?.mode.name ?? "none"
        let network = try prepareNetwork(&spec)
        let filter = try filters.filter(spec.seccomp)
        let entry = try table.begin()
        let layers = flatten(&spec)
        let plan = ContainerPlan(
            spec, on: trees.host, cgroups: Self.v1Directories(slot), upper: layer, seccomp: filter,
            waits: waits)
        let pid: pid_t
        let status: Int32
        do throws(SystemError) {
            (pid, status) = try clone(request, plan, slot, entry)
        } catch {
            table.end(entry)
            if let layers { flattened.give(layers) }
            throw error
        }
        table.begun(entry)
        byPID[pid] = id
        return Running(
            pid: pid, entry: entry, rule: rule, hasInit: request.spec.withInit, slot: slot,
            limits: spec.resourceLimits, seccomp: spec.seccomp, isPrivileged: spec.isPrivileged,
            deviceGroups: spec.devices.groups,
            killsBefore: before,
            start: ContainerStart(
                id: id, at: Clock.now(), enforcement: enforcement, ports: network?.ports ?? []),
            status: status, layer: layer, flattened: layers, network: network)
    }

    /// One layer in the place of many, where that is better.
    private func flatten(_ spec: inout ContainerSpec) -> [FlattenedLayers.FileIdentity]? {
        guard case .layers(let layers) = spec.root, let one = flattened.take(layers) else {
            return nil
        }
        spec.root = .layers([one.layer])
        return one.key
    }

    /// With the limits that hold where no cgroup does, and without what the launcher took for itself.
    private func limited(_ spec: ContainerSpec, _ reached: EnforcementReached) -> ContainerSpec {
        var spec = spec
        if let descriptors { spec.resourceLimits.insert(descriptors, at: 0) }
        if reached.memory == "rlimit", let limit = spec.memoryLimit {
            // RLIMIT_DATA and not RLIMIT_AS: CUDA and Java reserve address space far beyond what they use.
            spec.resourceLimits.append(
                .init(
                    resource: Int32(RLIMIT_DATA.rawValue), soft: UInt64(limit), hard: UInt64(limit))
            )
        }
        return spec
    }

    /// Returns the child and the launcher's end of the status socket, which is watched; on failure nothing is left.
    private func clone(
        _ request: StartRequest, _ plan: ContainerPlan, _ slot: Cgroups.Slot?, _ entry: Int
    ) throws(SystemError) -> (pid_t, status: Int32) {
        let cgroup = try Self.openV2(slot)
        defer { if cgroup >= 0 { close(cgroup) } }
        // Bare numbers: on the child's path nothing returns, and an owner would be closed after its last mention.
        let (status, childStatus) = try UnixSocket.pair(.messages).release()
        let id = request.id
        do throws(SystemError) {
            try loop.watch(status, for: .read) { [unowned self] _ in self.readStatus(id) }
            let flags = Namespace.mount | Namespace.uts | Namespace.ipc | Namespace.pid
            let child = try check(
                cl_clone3(flags, table.pid(entry), cgroup), "clone3", id,
                hint: "no more processes, or namespaces are switched off here")
            if child == 0 { runChild(request, plan, status: childStatus) }
            close(childStatus)
            return (pid_t(child), status)
        } catch {
            close(childStatus)
            closeStatus(status)
            throw error
        }
    }

    static func v1Directories(_ slot: Cgroups.Slot?) -> [String] {
        slot?.directories.filter { $0.key != "v2" }.values.sorted() ?? []
    }

    /// The directory to clone into, for the caller to close; -1 where there is none.
    static func openV2(_ slot: Cgroups.Slot?) throws(SystemError) -> Int32 {
        guard let directory = slot?.directories["v2"] else { return -1 }
        return try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY).release()
    }

    /// In the child. Never returns.
    private func runChild(_ request: StartRequest, _ plan: ContainerPlan, status: Int32) -> Never {
        let child = ContainerChild(trees: trees, table: table, status: status)
        Self.run(child, plan, stdio: [request.stdin ?? -1, request.stdout, request.stderr])
    }

    /// In the child: carries the plan out with these as stdin, stdout and stderr; /dev/null in the place of a missing one.
    static func run(
        _ child: consuming ContainerChild, _ plan: ContainerPlan, stdio: [Int32]
    ) -> Never {
        do throws(SystemError) {
            let null = try OwnedFD.open("/dev/null", O_RDWR).release()
            for fd in Int32(0)...2 {
                let given = Int(fd) < stdio.count ? stdio[Int(fd)] : -1
                try checkErrno(dup2(given >= 0 ? given : null, fd), "dup2")
            }
            resetSignals()
            umask(0o022)
            for step in plan.steps { try child.perform(step) }
        } catch {
            // The launcher may be gone; then nobody asks.
            _ = try? UnixSocket.send(
                child.status, [ContainerChild.Told.failure] + ContainerChild.encode(error))
        }
        _exit(127)
    }

    /// What the launcher itself has changed; all others it set to their defaults when it began.
    static func resetSignals() {
        signal(SIGPIPE, SIG_DFL)
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
    }

    /// What the child says of its setup: the kept layer, its terminal, a failing step, or, by closing, that exec has happened.
    func readStatus(_ id: String) {
        guard let status = running[id]?.status else { return readPreparation(id) }
        guard status >= 0 else { return }
        for news in ChildNews.read(status) {
            switch news {
            case .upper(let descriptor): running[id]?.upper = descriptor
            case .terminal(let near): running[id]?.terminal = near
            case .network(let descriptor): connectNetwork(of: id, descriptor)
            case .failure(let step, let subject, let errno):
                running[id]?.failure = (step, subject, errno)
            case .end: executed(id, status)
            }
        }
    }

    private func executed(_ id: String, _ status: Int32) {
        closeStatus(status)
        running[id]?.status = -1
        if running[id]?.failure == nil { running[id]?.request.take()?.close() }
        guard let container = running[id], container.failure == nil else { return }
        tell(.started(container.start))
    }

    func closeStatus(_ status: Int32) {
        loop.forget(status)
        close(status)
    }
}
