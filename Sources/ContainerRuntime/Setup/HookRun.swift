internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// Runs one hook of config.json ("POSIX-platform Hooks"): with the environment that it names and no other, since the
/// runtime's own, or the container's, may be somebody else's to choose (CVE-2025-23266); the state on its stdin.
struct HookRun {
    /// What the hook wrote is kept in memory for the error alone. Bytes.
    private static let longestOutput = 1 << 20

    let hook: HookSpec
    /// For errors: `hooks.createRuntime[0]`.
    let field: String

    func run(state: [UInt8]) throws(SystemError) {
        let input = try Self.memory(state)
        let output = try Self.memory([])
        let pid = try check(cl_clone3(0, nil, -1), field, hook.path)
        if pid == 0 { become(input.raw, output.raw) }
        let ended = try wait(pid_t(pid))
        guard ended.code != 0 || ended.signalled else { return }
        let how = ended.signalled ? "was killed by signal" : "ended with status"
        throw SystemError(
            field, hook.path, errno: ECHILD, hint: "it \(how) \(ended.code)\(Self.said(output))")
    }

    private static func memory(_ bytes: [UInt8]) throws(SystemError) -> OwnedFD {
        let file = try OwnedFD(checking: cl_memfd("hook"), "memfd_create")
        try Files.writeAll(file.raw, bytes, "state")
        try checkErrno(lseek(file.raw, 0, SEEK_SET), "lseek")
        return file
    }

    private static func said(_ output: borrowing OwnedFD) -> String {
        lseek(output.raw, 0, SEEK_SET)
        // Unreadable or endless: then it is not quoted.
        guard let bytes = try? Files.read(output.raw, "output", limit: longestOutput),
            !bytes.isEmpty
        else { return "" }
        return ": " + String(decoding: bytes.suffix(1024), as: UTF8.self)
    }

    private func wait(_ pid: pid_t) throws(SystemError) -> cl_exit {
        let process = try OwnedFD(checking: cl_pidfd_open(pid), field, hook.path)
        var isLate = false
        if let timeout = hook.timeout {
            isLate = Self.ends(process.raw, within: Int64(timeout) * 1000) == false
            if isLate { _ = cl_pidfd_send_signal(process.raw, SIGKILL) }
        }
        var ended = cl_exit()
        try check(cl_wait(pid, true, &ended), field, hook.path)
        guard !isLate else {
            throw SystemError(
                field, hook.path, errno: ETIMEDOUT,
                hint: "it did not end within \(hook.timeout ?? 0) s and was killed")
        }
        return ended
    }

    /// Milliseconds, on the monotonic clock.
    private static func ends(_ process: Int32, within limit: Int64) -> Bool {
        let deadline = Clock.monotonic() + limit
        while true {
            var poller = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
            let left = Int32(clamping: max(0, deadline - Clock.monotonic()))
            let ready = poll(&poller, 1, left)
            if ready > 0 { return true }
            if ready == 0, Clock.monotonic() >= deadline { return false }
        }
    }

    private func become(_ input: Int32, _ output: Int32) -> Never {
        cl_default_signals()
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        dup2(input, 0)
        dup2(output, 1)
        dup2(output, 2)
        OwnedFD.closeAll(from: 3)
        let arguments = hook.args.isEmpty ? [hook.path] : hook.args
        execve(
            hook.path, ContainerChild.pointers(arguments), ContainerChild.pointers(hook.env))
        let reason = SystemError.text(errno)
        _ = try? Files.writeAll(2, "exec: \(reason)".utf8, "output")  // nobody else could be told
        _exit(127)
    }
}
