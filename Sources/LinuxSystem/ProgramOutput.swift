internal import CLinux
internal import Glibc

/// A small program of the machine, run for what it prints.
public enum ProgramOutput {
    public struct Ended: Sendable {
        /// 128+n where signal n ended it.
        public let status: Int32
        public let output: [UInt8]
    }

    /// Found in PATH; stdin is empty, stderr the caller's. Throws ECHILD where it ends with another status than 0.
    public static func of(_ program: String, _ arguments: [String]) throws(SystemError) -> String {
        guard let path = program.contains("/") ? program : ProgramPath.find(program) else {
            throw SystemError("run", program, errno: ENOENT)
        }
        let ended = try run(path, arguments)
        guard ended.status == 0 else {
            throw SystemError("run", program, errno: ECHILD, hint: "it ended with \(ended.status)")
        }
        return String(decoding: ended.output, as: UTF8.self)
    }

    /// By its path, with what its stdin holds; stderr is the caller's, and the environment, too, unless one is given. Throws
    /// ETIMEDOUT where it takes longer than it may, and ends it.
    public static func run(
        _ program: String, _ arguments: [String], input: [UInt8] = [],
        environment: [String: String]? = nil, milliseconds: Int64? = nil
    ) throws(SystemError) -> Ended {
        let source = try OwnedFD(checking: cl_memfd("input"), "memfd_create")
        try Files.writeAll(source.raw, input, program)
        try checkErrno(lseek(source.raw, 0, SEEK_SET), "lseek", program)
        let output = try OwnedFD(checking: cl_memfd("output"), "memfd_create")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, source.raw, 0)
        posix_spawn_file_actions_adddup2(&actions, output.raw, 1)
        // Neither what this thread blocks nor what this process ignores is the program's.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let words = ([program] + arguments).map { strdup($0) }
        let variables = environment?.map { strdup("\($0.key)=\($0.value)") }
        defer { for word in words + (variables ?? []) { free(word) } }
        var pid: pid_t = 0
        let error =
            if let variables {
                posix_spawn(&pid, program, &actions, &attributes, words + [nil], variables + [nil])
            } else {
                posix_spawn(&pid, program, &actions, &attributes, words + [nil], cl_environ())
            }
        guard error == 0 else { throw SystemError("run", program, errno: error) }
        let isLate: Bool
        if let milliseconds {
            // Where its end cannot be watched, it is awaited.
            isLate = (try? Daemon.awaitEnd(of: pid, milliseconds: milliseconds)) == false
        } else {
            isLate = false
        }
        if isLate { kill(pid, SIGKILL) }
        var ended = cl_exit()
        try check(cl_wait(pid, true, &ended), "wait", program)
        guard !isLate else { throw SystemError("run", program, errno: ETIMEDOUT) }
        try checkErrno(lseek(output.raw, 0, SEEK_SET), "lseek", program)
        return Ended(
            status: ended.signalled ? 128 + ended.code : ended.code,
            output: try Files.read(output.raw, program, limit: 1 << 26))
    }
}
