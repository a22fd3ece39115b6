internal import CLinux
internal import Glibc

/// Processes of ours that outlive the one that starts them.
public enum Daemon {
    /// Starts `arguments[0]` in a session of its own: stdin from /dev/null, both outputs appended to `log`, no other
    /// descriptor, this process's environment. The child is reparented at once, so nobody has to reap it.
    ///
    /// posix_spawn and not fork, because callers may have threads.
    public static func start(_ arguments: [String], log: String) throws(SystemError) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        cl_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // POSIX_SPAWN_SETSID is 0x80 in glibc; the importer does not see it without _GNU_SOURCE.
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | 0x80))
        let argv = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, arguments[0], &actions, &attributes, argv, cl_environ())
        guard error == 0 else { throw SystemError("start", arguments[0], errno: error) }
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
