internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// `kill`.
package enum ContainerSignal {
    /// To its first process, or to all that its cgroup knows; without one the first is all there is to reach.
    package static func send(_ signal: Int32, to home: ContainerHome, all: Bool) throws {
        let record = try home.read()
        let status = home.status(record)
        let cgroup = try ContainerCgroup(record: record.cgroup)
        if all, !cgroup.directories.isEmpty {
            // What outlived the first process is meant, too.
            return try cgroup.signal(signal)
        }
        guard status != .stopped, status != .creating else {
            throw SystemError(
                "kill", home.id, errno: ESRCH,
                hint: "container not running: it is \(status.rawValue)")
        }
        let opened = cl_pidfd_open(record.pid)
        let process = try OwnedFD(checking: opened, "kill", home.id)
        // Held by the descriptor, the pid cannot change hands between this look and the signal.
        guard ContainerHome.lives(record) else {
            throw SystemError("kill", home.id, errno: ESRCH, hint: "container not running")
        }
        try check(cl_pidfd_send_signal(process.raw, signal), "kill", home.id)
    }
}

/// Names of signals as kill(1) takes them.
package enum SignalName {
    private static let names = [
        "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "ILL": SIGILL, "TRAP": SIGTRAP,
        "ABRT": SIGABRT, "IOT": SIGABRT, "BUS": SIGBUS, "FPE": SIGFPE, "KILL": SIGKILL,
        "USR1": SIGUSR1, "SEGV": SIGSEGV, "USR2": SIGUSR2, "PIPE": SIGPIPE, "ALRM": SIGALRM,
        "TERM": SIGTERM, "STKFLT": SIGSTKFLT, "CHLD": SIGCHLD, "CLD": SIGCHLD, "CONT": SIGCONT,
        "STOP": SIGSTOP, "TSTP": SIGTSTP, "TTIN": SIGTTIN, "TTOU": SIGTTOU, "URG": SIGURG,
        "XCPU": SIGXCPU, "XFSZ": SIGXFSZ, "VTALRM": SIGVTALRM, "PROF": SIGPROF,
        "WINCH": SIGWINCH, "IO": SIGIO, "POLL": SIGIO, "PWR": SIGPWR, "SYS": SIGSYS,
    ]
    /// signal(7): as glibc counts them.
    private static let realTime: ClosedRange<Int32> = 34...64

    /// `TERM`, `SIGTERM`, `15`, `RTMIN+3`; nil where it is none. 0 only asks whether somebody is there.
    package static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (0...64).contains(number) ? number : nil }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if let number = names[name] { return number }
        for (base, sign) in [("RTMIN", Int32(1)), ("RTMAX", -1)] where name.hasPrefix(base) {
            let rest = name.dropFirst(base.utf8.count)
            let start = sign > 0 ? realTime.lowerBound : realTime.upperBound
            guard let offset = rest.isEmpty ? 0 : Int32(rest.dropFirst()),
                rest.isEmpty || rest.hasPrefix(sign > 0 ? "+" : "-")
            else { return nil }
            let number = start + sign * offset
            return realTime.contains(number) ? number : nil
        }
        return nil
    }
}
