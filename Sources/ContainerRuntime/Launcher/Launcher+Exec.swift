internal import CLinux
internal import Glibc
internal import LinuxSystem

/// A process that was put into a running container. It ends with the container at the latest: PID 1's end is the end of its
/// namespace.
struct ExecProcess {
    /// The process that goes into the container and clones the command there, while it lives; with its place in the table.
    var between: (pid: pid_t, entry: Int)?
    /// The command's place in the table, where its pid stands before it runs.
    let entry: Int
    /// Where a failing step is told; -1 once the command runs.
    var status: Int32
    var failure: (step: String, subject: String, errno: Int32)?
    /// The near end of its terminal, until the agent has it.
    var terminal: Int32?
    /// The command's end, or that of the process in between where it never came to a command.
    var end: ContainerExit.Status?
    /// The agent that asked for it has gone.
    var isForgotten = false
}

extension Launcher {
    /// Puts a process into a running container; what becomes of it is told by events. `descriptors` are its stdin, stdout and
    /// stderr, or none where it gets a terminal; they stay the caller's.
    func exec(_ id: String, in container: String, _ spec: ExecSpec, _ descriptors: [Int32]) {
        guard execs[id] == nil else { return }
        do throws(SystemError) {
            guard let running = running[container], running.failure == nil else {
                throw SystemError("exec", container, errno: ESRCH, hint: "it does not run")
            }
            guard running.status < 0 else {
                throw SystemError("exec", container, errno: EAGAIN, hint: "it is being started")
            }
            try launch(id, in: running, spec, descriptors)
        } catch {
            let subject = error.subject + (error.hint.map { " (\($0))" } ?? "")
            tell(
                .execEnded(
                    id: id,
                    .startFailure(step: error.step, subject: subject, errno: error.errno)))
        }
    }

    private func launch(
        _ id: String, in running: Running, _ spec: ExecSpec, _ descriptors: [Int32]
    ) throws(SystemError) {
        let pid = running.hasInit ? Self.firstChild(of: running.pid) : running.pid
        // Reaped by nobody but this thread: the pid is the container's for as long as this takes. A bare number, as in a start.
        let target = try check(cl_pidfd_open(pid), "pidfd_open", running.start.id)
        defer { close(target) }
        var into = ExecTarget(
            namespaces: try NamespaceKind.apart(from: pid),
            cgroups: Self.v1Directories(running.slot), canSetGroups: trees.host.canSetGroups,
            diesWithLauncher: true)
        into.deviceGroups = running.deviceGroups
        into.isInUserNamespace = trees.host.inUserNamespace
        let plan = ContainerPlan(
            exec: try adapted(spec, running), into: into,
            seccomp: try filters.filter(running.seccomp))
        let between = try table.begin()
        var entry: Int?
        do throws(SystemError) {
            entry = try table.begin()
            let (child, status) = try clone(
                id, plan, target, descriptors, running.slot, between, entry ?? 0)
            table.begun(between)
            execs[id] = ExecProcess(between: (child, between), entry: entry ?? 0, status: status)
        } catch {
            table.end(between)
            if let entry { table.end(entry) }
            throw error
        }
    }

    /// The task, where an init of ours is PID 1: that one may show nothing of itself, to a launcher of an ordinary user either.
    private static func firstChild(of pid: pid_t) -> pid_t {
        let children = (try? Files.text("/proc/\(pid)/task/\(pid)/children")) ?? ""
        return children.split(separator: " ").first.flatMap { pid_t($0) } ?? pid
    }

    /// With the container's own limits beneath, and with its privileges.
    private func adapted(_ spec: ExecSpec, _ running: Running) throws(SystemError) -> ExecSpec {
        var spec = spec
        spec.memoryPolicy = try spec.memoryPolicy?.accepted(
            isWalled: running.start.enforcement.memoryBinding != "none")
        spec.resourceLimits = running.limits + spec.resourceLimits
        if running.isPrivileged {
            spec.privileges = .sets(.inherited(trees.host.capabilities))
            spec.noNewPrivileges = false
        }
        return spec
    }

    /// Returns the process in between and the launcher's end of the status socket, which is watched; on failure nothing is left.
    private func clone(
        _ id: String, _ plan: ContainerPlan, _ target: Int32, _ descriptors: [Int32],
        _ slot: Cgroups.Slot?, _ between: Int, _ entry: Int
    ) throws(SystemError) -> (pid_t, status: Int32) {
        let cgroup = try Self.openV2(slot)
        defer { if cgroup >= 0 { close(cgroup) } }
        let (status, childStatus) = try UnixSocket.pair(.messages).release()
        do throws(SystemError) {
            try loop.watch(status, for: .read) { [unowned self] _ in self.hearExec(id) }
            let child = try check(cl_clone3(0, table.pid(between), cgroup), "clone3", id)
            if child == 0 {
                var process = ContainerChild(trees: nil, table: table, status: childStatus)
                process.target = target
                process.pidPlace = table.pid(entry)
                Self.run(process, plan, stdio: descriptors)
            }
            close(childStatus)
            return (pid_t(child), status)
        } catch {
            close(childStatus)
            closeStatus(status)
            throw error
        }
    }

    func hearExec(_ id: String) {
        guard let status = execs[id]?.status, status >= 0 else { return }
        for news in ChildNews.read(status) {
            switch news {
            case .upper(let descriptor), .network(let descriptor): close(descriptor)
            case .terminal(let near): execs[id]?.terminal = near
            case .failure(let step, let subject, let errno):
                execs[id]?.failure = (step, subject, errno)
            case .end:
                closeStatus(status)
                execs[id]?.status = -1
                begun(id)
            }
        }
    }

    /// The command runs, or never will.
    private func begun(_ id: String) {
        guard let exec = execs[id], exec.failure == nil, isCloned(exec) else { return }
        table.begun(exec.entry)
        if exec.isForgotten { return hangUp(id) }
        tell(.execStarted(id: id))
    }

    private func isCloned(_ exec: ExecProcess) -> Bool { table.pid(exec.entry).pointee != 0 }

    /// A child that is no container has ended.
    func reapedExec(_ child: cl_exit) {
        let status: ContainerExit.Status = child.signalled ? .signal(child.code) : .code(child.code)
        for (id, exec) in execs {
            if let between = exec.between, between.pid == child.pid {
                table.end(between.entry)
                execs[id]?.between = nil
                if !isCloned(exec) { execs[id]?.end = status }
            } else if table.pid(exec.entry).pointee == child.pid {
                execs[id]?.end = status
            } else {
                continue
            }
            return conclude(id)
        }
    }

    private func conclude(_ id: String) {
        guard let exec = execs[id], exec.between == nil, exec.end != nil else { return }
        // It may have told its failing step in the same moment.
        hearExec(id)
        guard let exec = execs[id], let end = exec.end else { return }
        var status = end
        if let failure = exec.failure {
            status = .startFailure(
                step: failure.step, subject: failure.subject, errno: failure.errno)
        }
        if exec.status >= 0 { closeStatus(exec.status) }
        table.end(exec.entry)
        // A start that the agent's socket has had no room for yet takes its terminal along when it is sent.
        if let terminal = exec.terminal { strayTerminals[id] = terminal }
        execs[id] = nil
        if !exec.isForgotten { tell(.execEnded(id: id, status)) }
        if exec.isForgotten || exec.failure != nil { closeTerminal(id) }
    }

    /// Ends what the process has going, as a terminal that is taken away does: SIGHUP to its group. What ignores that goes on, with
    /// the container.
    func hangUp(_ id: String) {
        guard let exec = execs[id] else { return }
        let pid = table.pid(exec.entry).pointee
        if exec.status >= 0 {
            // It has no group yet, and nothing to finish.
            if pid > 0 {
                kill(pid, SIGKILL)
            } else if let pid = exec.between?.pid {
                kill(pid, SIGKILL)
            }
        } else if pid > 0, exec.end == nil {
            kill(-pid, SIGHUP)
            // A stopped one would not hear of it.
            kill(-pid, SIGCONT)
        }
    }

    /// Nobody is left whom their ends could be told.
    func forgetExecs() {
        for id in execs.keys {
            execs[id]?.isForgotten = true
            closeTerminal(id)
            hangUp(id)
        }
        for id in strayTerminals.keys { closeTerminal(id) }
    }

    func takeTerminal(_ id: String) -> Int32? {
        if let stray = strayTerminals.removeValue(forKey: id) { return stray }
        if let near = execs[id]?.terminal {
            execs[id]?.terminal = nil
            return near
        }
        let near = running[id]?.terminal
        running[id]?.terminal = nil
        return near
    }

    func closeTerminal(_ id: String) {
        if let near = takeTerminal(id) { close(near) }
    }
}
