internal import Glibc
internal import LinuxSystem

extension Launcher {
    /// Asked for from outside: the signal, the grace, then SIGKILL.
    func stop(_ id: String) {
        if let place = postponed.firstIndex(where: { $0.id == id }) {
            return forget(postponed.remove(at: place))
        }
        guard running[id] != nil, running[id]?.stopped == false else { return }
        running[id]?.stopped = true
        end(id)
    }

    /// Stopped before the machine had room for it.
    private func forget(_ request: StartRequest) {
        request.close()
        let now = Clock.now()
        var exit = ContainerExit(
            id: request.id,
            status: .startFailure(step: "start", subject: "stopped before", errno: ECANCELED),
            started: now, ended: now)
        exit.stopped = true
        record(exit)
    }

    /// Tells every process of the tree, once: an init would pass on what it gets. The kernel does not deliver to a
    /// namespace's PID 1 a signal that it does not handle (pid_namespaces(7)): alone and deaf, it would only waste the grace,
    /// so it is killed at once.
    func end(_ id: String) {
        guard let container = running[id] else { return }
        if container.pausedAt != nil {
            running[id]?.pausedAt = nil
            thaw(container)
        }
        let tree = tree(of: container)
        // Looked at before it is told: once woken, it waits no more.
        let isDeaf =
            tree.isEmpty
            && (container.hasInit || !Self.handles(container.rule.signal, container.pid))
        signalTree(container, tree)
        if container.rule.grace <= 0 || isDeaf {
            kill(container)
            return
        }
        if let timer = container.timer { loop.cancel(timer) }
        running[id]?.timer = loop.after(container.rule.grace) { [unowned self] in
            if let container = self.running[id] { self.kill(container) }
        }
    }

    /// All of its processes but PID 1.
    func tree(of container: Running) -> [pid_t] {
        let pid = container.pid
        return container.slot.map { Cgroups.processes($0).filter { $0 != pid } }
            ?? Self.descendants(of: pid)
    }

    /// An init passes on what it gets, and is left out.
    func signalTree(_ container: Running, _ tree: [pid_t]) {
        for pid in (container.hasInit ? [] : [container.pid]) + tree {
            Glibc.kill(pid, container.rule.signal)
        }
    }

    /// PID 1's end is the end of its namespace, and so of the whole tree; on v2 all of it is told at once.
    private func kill(_ container: Running) {
        Glibc.kill(container.pid, SIGKILL)
        if let slot = container.slot { Cgroups.kill(slot) }
    }

    /// proc(5), /proc/PID/task/TID/children; a process that ends meanwhile is left out.
    static func descendants(of pid: pid_t) -> [pid_t] {
        let tasks = (try? Files.names(in: "/proc/\(pid)/task")) ?? []
        let children = tasks.flatMap { task in
            ((try? Files.text("/proc/\(pid)/task/\(task)/children")) ?? "").split(separator: " ")
                .compactMap { pid_t($0) }
        }
        return children + children.flatMap { descendants(of: $0) }
    }

    /// Caught, or blocked and fetched by signalfd(2): SigCgt and SigBlk of proc(5), masks with bit n-1 for signal n; a blocked
    /// signal stays pending even for PID 1. Or fetched by sigwait(3), which stands in no mask while it waits.
    private static func handles(_ signal: Int32, _ pid: pid_t) -> Bool {
        // Where it has just ended, one kill more is not needed.
        guard let tasks = try? Files.names(in: "/proc/\(pid)/task") else { return true }
        return tasks.contains { task in
            let wait = (try? Files.text("/proc/\(pid)/task/\(task)/wchan")) ?? ""
            return wait.hasPrefix("do_sigtimedwait")
                || isInMask(signal, (try? Files.text("/proc/\(pid)/task/\(task)/status")) ?? "")
        }
    }

    private static func isInMask(_ signal: Int32, _ status: String) -> Bool {
        status.split(separator: "\n").contains { line in
            guard line.hasPrefix("SigCgt:") || line.hasPrefix("SigBlk:") else { return false }
            let mask = UInt64(line.dropFirst(7).trimmingPrefix { $0.isWhitespace }, radix: 16) ?? 0
            return mask & 1 << UInt64(signal - 1) != 0
        }
    }
}
