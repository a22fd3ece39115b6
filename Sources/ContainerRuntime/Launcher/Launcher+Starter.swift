internal import CLinux
internal import Glibc
internal import LinuxSystem

/// The agent that starts a launcher may be killed before it connects, and then nobody may ever come: a launcher of which nobody
/// has heard runs nothing, and ends. One that some agent knows waits for the next, which would miss what was handed to it.
extension Launcher {
    func noteStarter(_ pid: Int32) {
        let process = cl_pidfd_open(pid)
        if process >= 0 { starter = process }
        hasStarterGone = process == -ESRCH
    }

    /// Before the loop runs.
    func watchStarter() throws(SystemError) {
        if hasStarterGone { loop.after(0) { [unowned self] in self.endIfUnknown() } }
        guard let starter else { return }
        try loop.watch(starter, for: .read) { [unowned self] _ in
            self.forgetStarter()
            self.hasStarterGone = true
            self.endIfUnknown()
        }
    }

    /// An agent has been greeted.
    func becomeKnown() {
        isKnown = true
        forgetStarter()
    }

    func endIfUnknown() {
        guard hasStarterGone, !isKnown, agent == nil, !isCalled else { return }
        note("the agent that started this launcher has gone before it connected")
        shutDown()
    }

    /// Somebody has connected, and is accepted next.
    private var isCalled: Bool {
        var poller = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
        return poll(&poller, 1, 0) > 0
    }

    private func forgetStarter() {
        guard let starter else { return }
        loop.forget(starter)
        close(starter)
        self.starter = nil
    }
}
