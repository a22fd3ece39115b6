internal import CLinux
internal import Glibc

/// A small program of the machine, run for what it prints.
public enum ProgramOutput {
    /// Found in PATH; stdin is empty, stderr the caller's. Throws ECHILD where it ends with another status than 0.
    public static func of(_ program: String, _ arguments: [String]) throws(SystemError) -> String {
        let output = try OwnedFD(checking: cl_memfd("output"), "memfd_create")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.raw, 1)
        let words = ([program] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let error = posix_spawnp(&pid, program, &actions, nil, words + [nil], cl_environ())
        guard error == 0 else { throw SystemError("run", program, errno: error) }
        var ended = cl_exit()
        try check(cl_wait(pid, true, &ended), "wait", program)
        guard ended.code == 0, !ended.signalled else {
            throw SystemError("run", program, errno: ECHILD, hint: "it ended with \(ended.code)")
        }
        try checkErrno(lseek(output.raw, 0, SEEK_SET), "lseek", program)
        return String(
            decoding: try Files.read(output.raw, program, limit: 1 << 26), as: UTF8.self)
    }
}
