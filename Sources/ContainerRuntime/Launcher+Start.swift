internal import CLinux
internal import Glibc
internal import LinuxSystem

extension Launcher {
    /// Clones the child and goes on; what becomes of it arrives by the status socket and SIGCHLD.
    func start(_ id: String, _ spec: ContainerSpec, _ rule: StopRule, stdout: Int32, stderr: Int32)
    {
        do throws(SystemError) {
            try launch(id, spec, rule, stdout: stdout, stderr: stderr)
        } catch {
            let now = Clock.now()
            let subject = error.subject + (error.hint.map { " (\($0))" } ?? "")
            record(
                ContainerExit(
                    id: id,
                    status: .startFailure(step: error.step, subject: subject, errno: error.errno),
                    started: now, ended: now),
                upper: nil)
        }
    }

    private func launch(
        _ id: String, _ spec: ContainerSpec, _ rule: StopRule, stdout: Int32, stderr: Int32
    ) throws(SystemError) {
        let slot = try cgroups.take(spec)
        let before = slot.map { cgroups.usage($0).kills } ?? 0
        let enforcement = cgroups.reached(spec, slot)
        var spec = spec
        if enforcement.memory == "rlimit", let limit = spec.memoryLimit {
            // RLIMIT_DATA and not RLIMIT_AS: CUDA and Java reserve address space far beyond what they use.
            spec.resourceLimits.append(
                .init(
                    resource: Int32(RLIMIT_DATA.rawValue), soft: UInt64(limit), hard: UInt64(limit))
            )
        }
        let plan = ContainerPlan(
            spec, on: trees.host,
            cgroups: slot?.directories.filter { $0.key != "v2" }.values.sorted() ?? [])
        // Bare numbers: on the child's path nothing returns, and an owner would be closed after its last mention.
        let (status, childStatus) = try UnixSocket.pair(.messages).release()
        var cgroup: Int32 = -1
        if let directory = slot?.directories["v2"] {
            cgroup = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY).release()
        }
        defer { if cgroup >= 0 { close(cgroup) } }
        let flags = Namespace.mount | Namespace.uts | Namespace.ipc | Namespace.pid
        let result = cl_clone3(flags, nil, cgroup)
        if result == 0 {
            Self.runChild(plan, trees, status: childStatus, stdout: stdout, stderr: stderr)
        }
        close(childStatus)
        let pid: pid_t
        do throws(SystemError) {
            pid = pid_t(
                try check(
                    result, "clone3", id,
                    hint: "no more processes, or namespaces are switched off here"))
        } catch {
            close(status)
            if let slot { cgroups.give(slot) }
            throw error
        }
        running[id] = Running(
            pid: pid, rule: rule, slot: slot, killsBefore: before,
            start: ContainerStart(id: id, at: Clock.now(), enforcement: enforcement), status: status
        )
        byPID[pid] = id
        try loop.watch(status, for: .read) { [unowned self] _ in self.readStatus(id) }
        if let limit = rule.timeLimit {
            running[id]?.timer = loop.after(limit) { [unowned self] in
                self.running[id]?.timedOut = true
                self.end(id)
            }
        }
    }

    /// In the child. Never returns.
    private static func runChild(
        _ plan: ContainerPlan, _ trees: PreparedTrees, status: Int32, stdout: Int32, stderr: Int32
    ) -> Never {
        var child = ContainerChild(trees: trees, status: status)
        do throws(SystemError) {
            let null = try OwnedFD.open("/dev/null", O_RDONLY).release()
            for (from, to) in [(null, Int32(0)), (stdout, 1), (stderr, 2)] {
                try checkErrno(dup2(from, to), "dup2")
            }
            resetSignals()
            umask(0o022)
            for step in plan.steps { try child.perform(step) }
        } catch {
            // The launcher may be gone; then nobody asks.
            _ = try? UnixSocket.send(status, [1] + ContainerChild.encode(error))
        }
        _exit(127)
    }

    /// What the launcher itself has changed; all others it set to their defaults when it began.
    private static func resetSignals() {
        signal(SIGPIPE, SIG_DFL)
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
    }

    /// What the child says of its setup: the kept layer, a failing step, or, by closing, that exec has happened.
    func readStatus(_ id: String) {
        guard let status = running[id]?.status, status >= 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 8192)
        while true {
            var poller = pollfd(fd: status, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 0) > 0 else { return }
            guard let (count, descriptors) = try? UnixSocket.receive(status, into: &buffer),
                count > 0
            else {
                return executed(id, status)
            }
            if buffer[0] == 0 {
                running[id]?.upper = descriptors.first
                continue
            }
            var wire = WireReader(buffer[1..<count])
            // Written by our own child, so it reads; if not, the exit code 127 still says that it failed.
            if let errno = try? wire.int32(), let step = try? wire.string(),
                let subject = try? wire.string()
            {
                running[id]?.failure = (step, subject, errno)
            }
        }
    }

    private func executed(_ id: String, _ status: Int32) {
        closeStatus(status)
        running[id]?.status = -1
        guard let container = running[id], container.failure == nil else { return }
        tell(.started(container.start))
    }

    func closeStatus(_ status: Int32) {
        loop.forget(status)
        close(status)
    }
}
