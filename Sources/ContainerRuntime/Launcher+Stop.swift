internal import Glibc
internal import LinuxSystem

extension Launcher {
    /// Asked for from outside: the signal, the grace, then SIGKILL.
    func stop(_ id: String) {
        guard running[id] != nil, running[id]?.stopped == false else { return }
        running[id]?.stopped = true
        end(id)
    }

    /// Tells every process of the tree. The kernel does not deliver to a namespace's PID 1 a signal that it does not
    /// handle (pid_namespaces(7)): alone and deaf, it would only waste the grace, so it is killed at once.
    func end(_ id: String) {
        guard let container = running[id] else { return }
        let tree = Self.descendants(of: container.pid)
        for pid in [container.pid] + tree { kill(pid, container.rule.signal) }
        if container.rule.grace <= 0
            || (tree.isEmpty && !Self.handles(container.rule.signal, container.pid))
        {
            kill(container.pid, SIGKILL)
            return
        }
        if let timer = container.timer { loop.cancel(timer) }
        running[id]?.timer = loop.after(container.rule.grace) { [unowned self] in
            // PID 1's end is the end of its namespace, and so of the whole tree.
            if let pid = self.running[id]?.pid { kill(pid, SIGKILL) }
        }
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

    /// SigCgt of proc(5): a mask with bit n-1 for signal n.
    private static func handles(_ signal: Int32, _ pid: pid_t) -> Bool {
        guard let status = try? Files.text("/proc/\(pid)/status"),  // it has just ended
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigCgt:") }),
            let mask = UInt64(line.dropFirst(7).trimmingPrefix { $0.isWhitespace }, radix: 16)
        else { return true }
        return mask & 1 << UInt64(signal - 1) != 0
    }
}
