internal import Glibc
internal import LinuxSystem

/// A container's time: its limit, the warning before that, and pauses, in which it stands still. It counts as the loop's timers
/// do, without the time that the machine was suspended, in which the container stood still as well. A head's lease is another
/// matter: that one counts suspended time, since the head elsewhere was not suspended, and has started the task again by then.
extension Launcher {
    /// Sets what happens next: a warning, or the end.
    func watchTime(of id: String) {
        guard let container = running[id] else { return }
        // What ends has its grace, which nothing prolongs.
        guard !container.timedOut, !container.stopped else { return }
        if let timer = container.timer { loop.cancel(timer) }
        running[id]?.timer = nil
        guard container.pausedAt == nil, let limit = container.rule.timeLimit else { return }
        let left = max(0, limit - (Clock.monotonic() - container.began))
        if let before = container.rule.before, before < limit, !container.isWarned {
            if left > before {
                running[id]?.timer = loop.after(left - before) { [unowned self] in
                    self.running[id]?.timer = nil
                    self.warn(id)
                    self.watchTime(of: id)
                }
                return
            }
            warn(id)
        }
        running[id]?.timer = loop.after(left) { [unowned self] in
            self.running[id]?.timedOut = true
            self.end(id)
        }
    }

    /// Whether it saves what it has, and whether it ends then, is its own affair.
    private func warn(_ id: String) {
        guard let container = running[id] else { return }
        running[id]?.isWarned = true
        signalTree(container, tree(of: container))
    }

    func setLimit(_ limit: Int64?, of id: String) {
        guard let container = running[id], container.rule.timeLimit != limit else { return }
        running[id]?.rule.timeLimit = limit
        running[id]?.isWarned = false
        watchTime(of: id)
    }

    // MARK: Pauses

    func pause(_ id: String) {
        guard let container = running[id], container.pausedAt == nil, !container.timedOut,
            !container.stopped
        else { return }
        running[id]?.pausedAt = Clock.monotonic()
        watchTime(of: id)
        if let slot = container.slot, Cgroups.freeze(slot) { return }
        stopTree(container)
    }

    func resume(_ id: String) {
        guard let container = running[id], let pausedAt = container.pausedAt else { return }
        running[id]?.pausedAt = nil
        running[id]?.began += Clock.monotonic() - pausedAt
        thaw(container)
        watchTime(of: id)
    }

    /// What stands still cannot end either.
    func thaw(_ container: Running) {
        if let slot = container.slot { Cgroups.thaw(slot) }
        for pid in tree(of: container) + [container.pid] { Glibc.kill(pid, SIGCONT) }
    }

    /// Parents first, until none is left that another one has started meanwhile.
    private func stopTree(_ container: Running) {
        var stopped: Set<pid_t> = []
        for _ in 0..<16 {
            let others = ([container.pid] + tree(of: container)).filter { !stopped.contains($0) }
            if others.isEmpty { return }
            for pid in others { Glibc.kill(pid, SIGSTOP) }
            stopped.formUnion(others)
        }
    }
}
