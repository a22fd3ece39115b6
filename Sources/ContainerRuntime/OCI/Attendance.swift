internal import CLinux
internal import Glibc
package import LinuxSystem
internal import OCIRuntimeSpec

/// `run` in the foreground: starts the container, passes signals and the terminal on, waits, and takes it down.
package enum Attendance {
    /// Returns the program's exit status, 128 + n for a signal n.
    /// `signals` have been held back since before its creation.
    package static func attend(
        _ made: ContainerCreation, _ signals: ForwardedSignals, keep: Bool, notes: inout [String]
    ) throws -> Int32 {
        let (home, record, status, terminal) = (made.home, made.record, made.status, made.terminal)
        defer { for fd in [status, terminal] where fd >= 0 { close(fd) } }
        let code: Int32
        do {
            let screen = terminal >= 0 ? try TerminalRelay(terminal) : nil
            defer { screen?.restore() }
            _ = try UnixSocket.send(status, [1])
            try ContainerStarting.awaitProgram(status, home, record)
            if !made.spec.hooks.poststart.isEmpty { try ContainerStarting.runHooks(home, record) }
            code = signals.wait(for: record.pid, screen)
        } catch {
            OwnChildren.end()
            // The first error is the one to tell.
            try? ContainerDeletion.dismantle(home, record, spec: made.spec, &notes)
            throw error
        }
        if !keep { try ContainerDeletion.dismantle(home, record, spec: made.spec, &notes) }
        return code
    }
}

/// What the runtime gets while it stands before a container is the container's: from before its creation on, so that none is
/// lost, and none ends the runtime and leaves a container behind.
package struct ForwardedSignals {
    private let descriptor: Int32

    package init() throws(SystemError) {
        var watched = sigset_t()
        sigfillset(&watched)
        // Faults are the runtime's own; stopping it is its caller's affair.
        for signal in [
            SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTSTP, SIGTTIN, SIGTTOU,
            SIGPIPE,
        ] {
            sigdelset(&watched, signal)
        }
        signal(SIGPIPE, SIG_IGN)
        sigprocmask(SIG_BLOCK, &watched, nil)
        descriptor = try checkErrno(
            signalfd(-1, &watched, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK)), "signalfd")
    }

    func wait(for pid: pid_t, _ screen: TerminalRelay?) -> Int32 {
        var ended = cl_exit()
        while true {
            // Also those that ended before the first signal was asked for.
            let got = cl_wait(-1, false, &ended)
            if got == pid {
                screen?.drain()
                return ended.signalled ? 128 + ended.code : ended.code
            }
            if got > 0 { continue }
            if got == -ECHILD { return 1 }
            var pollers = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
            pollers += screen?.pollers ?? []
            guard poll(&pollers, nfds_t(pollers.count), -1) > 0 else { continue }
            screen?.serve(pollers.dropFirst())
            forward(to: pid, screen)
        }
    }

    private func forward(to pid: pid_t, _ screen: TerminalRelay?) {
        var information = signalfd_siginfo()
        while read(descriptor, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {
            switch Int32(information.ssi_signo) {
            case SIGCHLD, SIGURG: break
            case SIGWINCH where screen != nil: screen?.resize()
            case let signal: kill(pid, signal)
            }
        }
    }
}
