import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A system call that is made to fail, in the way of a machine that has run out of something: strace(1), "Tampering". Each process
/// counts its own calls.
struct Fault: CustomStringConvertible, Hashable {
    let call: String
    /// From 1.
    let number: Int

    var description: String { "\(call) \(number)" }

    static let isPossible = Files.exists("/usr/bin/strace") && geteuid() == 0
    static let reason: Comment = "needs strace, and root to watch what others run"

    /// Calls of a container's setup, and few of anything else.
    private static let calls = [
        "setsid", "unshare", "setns", "sethostname", "mount", "open_tree", "move_mount", "fsopen",
        "fsconfig", "fsmount", "mount_setattr", "openat2", "mkdirat", "mknodat", "symlinkat",
        "pivot_root", "umount2", "fchdir", "setgroups", "setresgid", "setresuid", "capset", "chdir",
        "prctl", "fstatfs", "statfs", "sendmsg", "recvmsg", "socketpair", "clone3", "seccomp",
        "execve",
    ]

    private static func command(_ calls: String, _ options: [String]) -> [String] {
        ["/usr/bin/strace", "--follow-forks", "--quiet=all", "--trace=" + calls] + options
    }

    /// Before a command, to write its calls to `log`.
    static func watching(to log: String) -> [String] {
        command(calls.joined(separator: ","), ["--output=" + log])
    }

    /// Before a command, or with `--attach=PID`, to make this one fail.
    var injecting: [String] {
        Self.command(
            call, ["--output=/dev/null", "--inject=\(call):error=ENOMEM:when=\(number)"])
    }

    /// Before a command, to make each of these calls end so many milliseconds after what it has done.
    static func delaying(_ call: String, by time: Int) -> [String] {
        command(call, ["--output=/dev/null", "--inject=\(call):delay_exit=\(time * 1000)"])
    }

    /// All that are in a log; `most` of them, spread evenly.
    static func all(in log: String, most: Int) throws -> [Fault] {
        var counts: [String: [Substring: Int]] = [:]
        for line in try Files.text(log, limit: 1 << 24).split(separator: "\n") {
            // PID, spaces, name(…
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2, let end = words[1].firstIndex(of: "("),
                let call = calls.first(where: { $0 == words[1][..<end].drop { $0 == " " } })
            else { continue }
            counts[call, default: [:]][words[0], default: 0] += 1
        }
        let faults = counts.sorted { $0.key < $1.key }.flatMap { call, byProcess in
            (1...(byProcess.values.max() ?? 1)).map { Fault(call: call, number: $0) }
        }
        let step = max(1, (faults.count + most - 1) / most)
        return stride(from: 0, to: faults.count, by: step).map { faults[$0] }
    }
}
