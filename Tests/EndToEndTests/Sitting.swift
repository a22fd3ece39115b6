import CLinux
import Foundation
import LinuxSystem
import Testing

/// A command at a terminal of its own, and the person who sits there.
final class Sitting {
    let pid: pid_t
    private let near: Int32
    private(set) var text = ""

    /// Starts `martlet` with these arguments in the sandbox.
    init(_ sandbox: Sandbox, _ arguments: [String], rows: UInt16 = 30, columns: UInt16 = 100) throws
    {
        near = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        // asm-generic/ioctls.h, macros with a size in them: TIOCSPTLCK, TIOCGPTN.
        var (unlocked, number): (Int32, Int32) = (0, -1)
        try #require(cl_ioctl(near, 0x4004_5431, &unlocked) == 0)
        try #require(cl_ioctl(near, 0x8004_5430, &number) == 0)
        let far = "/dev/pts/\(number)"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The leader of a session without a terminal: the first that it opens is its own.
        posix_spawn_file_actions_addopen(&actions, 0, far, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        cl_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A test's thread blocks signals, and a person's shell does not.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // spawn.h: POSIX_SPAWN_SETSID, POSIX_SPAWN_SETSIGMASK.
        posix_spawnattr_setflags(&attributes, 0x80 | 0x08)
        var environment = ProcessInfo.processInfo.environment
        environment["MARTLET_HOME"] = sandbox.folder + "/home"
        environment["HOME"] = sandbox.folder
        environment["TERM"] = "xterm-256color"
        environment["COLORTERM"] = "truecolor"
        let argv = ([Sandbox.binaries + "/martlet"] + arguments).map { strdup($0) } + [nil]
        let envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let error = posix_spawn(
            &pid, Sandbox.binaries + "/martlet", &actions, &attributes, argv, envp)
        try #require(error == 0, "posix_spawn: \(error)")
        self.pid = pid
        try resize(rows, columns)
    }

    deinit {
        close(near)
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    func resize(_ rows: UInt16, _ columns: UInt16) throws {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        try #require(cl_ioctl(near, UInt(TIOCSWINSZ), &size) == 0)
    }

    func type(_ text: String) throws { try Files.writeAll(near, text.utf8, "terminal") }

    /// Fails after twenty seconds.
    func read(until expected: String) throws {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !text.contains(expected) {
            var poller = pollfd(fd: near, events: Int16(POLLIN), revents: 0)
            try #require(
                poll(&poller, 1, 20_000) == 1, "never seen: \(expected.debugDescription) in \(text)"
            )
            let count = Foundation.read(near, &buffer, buffer.count)
            try #require(count > 0, "ended without \(expected.debugDescription): \(text)")
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    /// What was shown until now is not looked at again.
    func forget() { text = "" }

    /// Waits for its end, some seconds at most; 128+n for a signal.
    func end() throws -> Int32 {
        var status: Int32 = 0
        let deadline = Date().addingTimeInterval(20)
        while waitpid(pid, &status, WNOHANG) == 0 {
            try #require(Date() < deadline, "it does not end: \(text)")
            drain()
            usleep(5000)
        }
        drain()
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    private func drain() {
        var poller = pollfd(fd: near, events: Int16(POLLIN), revents: 0)
        var buffer = [UInt8](repeating: 0, count: 4096)
        while poll(&poller, 1, 0) > 0 {
            let count = Foundation.read(near, &buffer, buffer.count)
            guard count > 0 else { return }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    /// Whether keys are shown and lines are lines, as a shell leaves its terminal.
    var isCooked: Bool {
        var settings = termios()
        tcgetattr(near, &settings)
        let needed = tcflag_t(ECHO | ICANON | ISIG)
        return settings.c_lflag & needed == needed && settings.c_oflag & tcflag_t(OPOST) != 0
    }
}
