import Glibc
import LinuxSystem

/// A process that does nothing until it is killed, reaped with its owner.
final class Sleeper {
    let pid: pid_t

    init(_ command: [String] = ["/bin/sleep", "60"]) throws {
        let argv = command.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        try check(-posix_spawn(&pid, command[0], nil, nil, argv, nil), "start", command[0])
        self.pid = pid
    }

    deinit { end() }

    /// Its exit status as wait(2) gives it; nil where it has been taken already.
    @discardableResult
    func end() -> Int32? {
        kill(pid, SIGKILL)
        return wait()
    }

    func wait() -> Int32? {
        var status: Int32 = 0
        while true {
            let result = waitpid(pid, &status, 0)
            if result == pid { return status }
            guard result < 0, errno == EINTR else { return nil }
        }
    }

    /// proc(5): R, S, D, T, Z …
    var state: Character? {
        (try? Files.text("/proc/\(pid)/stat")).flatMap { text in
            text.lastIndex(of: ")").flatMap { text[$0...].dropFirst(2).first }
        }
    }
}
