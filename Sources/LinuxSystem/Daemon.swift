internal import CLinux
internal import Glibc

/// Processes of ours that outlive the one that starts them.
public enum Daemon {
    /// Starts `arguments[0]` in a session of its own: stdin from /dev/null, both outputs appended to `log`, no other
    /// descriptor, this process's environment. Its parent is gone at once, so nobody has to reap it. Returns its pid, which
    /// is anybody's once it has ended.
    @discardableResult
    public static func start(_ arguments: [String], log: String) throws(SystemError) -> Int32 {
        guard let program = arguments.first else {
            throw SystemError("start", "nothing", errno: EINVAL)
        }
        let log = try OwnedFD.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
        let argv = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        return try check(cl_start_daemon(program, argv, cl_environ(), log.raw), "start", program)
    }

    /// Waits until a process has ended, whether or not its parent has noticed; false after `milliseconds`.
    public static func awaitEnd(of pid: Int32, milliseconds: Int64) throws(SystemError) -> Bool {
        let opened = cl_pidfd_open(pid)
        if opened == -ESRCH { return true }
        let process = try OwnedFD(checking: opened, "pidfd_open", "\(pid)")
        let deadline = Clock.monotonic() + milliseconds
        while true {
            var poller = pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0)
            let left = Int32(clamping: max(0, deadline - Clock.monotonic()))
            let count = poll(&poller, 1, left)
            if count < 0, errno == EINTR { continue }
            return try checkErrno(Int(count), "poll", "\(pid)") > 0
        }
    }

    /// Absolute path of an executable that was installed beside this one.
    public static func sibling(_ name: String) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = try checkErrno(
            readlink("/proc/self/exe", &buffer, buffer.count - 1), "readlink", "/proc/self/exe")
        let own = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = RootedPath.split(own).parent + "/" + name
        guard access(path, X_OK) == 0 else {
            throw SystemError.last(
                "find", path,
                hint: "martlet, martlet-agent and martlet-runtime belong in one directory")
        }
        return path
    }
}
