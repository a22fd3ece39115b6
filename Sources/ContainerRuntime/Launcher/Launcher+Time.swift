internal import LinuxSystem

extension Launcher {
    /// Sets what happens when a container's time is nearly over, and when it is.
    func watchTime(of id: String) {
        guard let rule = running[id]?.rule, let limit = rule.timeLimit else { return }
        guard let before = rule.before, before < limit else { return endAfter(limit, id) }
        running[id]?.timer = loop.after(limit - before) { [unowned self] in
            self.warn(id)
            self.endAfter(before, id)
        }
    }

    private func endAfter(_ milliseconds: Int64, _ id: String) {
        running[id]?.timer = loop.after(milliseconds) { [unowned self] in
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
}
