internal import CLinux
internal import Glibc

/// A program that we talk with over its stdin and stdout, which are one socket, and whose stderr we can read: ssh, a relay.
/// Ended and reaped when its owner goes.
public final class AttachedCommand {
    /// Both ways: what is written here it reads, and the other way round.
    public let stdio: OwnedFD
    /// What it says on stderr; non-blocking.
    public let errors: OwnedFD
    /// Its process, and its process group.
    public let pid: Int32
    private var isReaped = false

    /// Starts `arguments[0]`, looked up in PATH, with this process's environment and no other descriptor.
    public convenience init(_ arguments: [String]) throws(SystemError) {
        let stdio = try UnixSocket.pair(.stream)
        let errors = try UnixSocket.pair(.stream)
        try errors.first.setNonBlocking()
        let pid = try Self.start(arguments, stdio: stdio.second.raw, errors: errors.second.raw)
        // Ours stay; the program's ends are closed here, so that its end is seen.
        let (ours, theirs) = stdio.release()
        let (reader, writer) = errors.release()
        close(theirs)
        close(writer)
        self.init(stdio: OwnedFD(ours), errors: OwnedFD(reader), pid: pid)
    }

    private init(stdio: consuming OwnedFD, errors: consuming OwnedFD, pid: pid_t) {
        self.stdio = stdio
        self.errors = errors
        self.pid = pid
    }

    /// Waits for its end. Its status as a shell has it: 128 and the signal's number where one ended it.
    public func awaitEnd() -> Int32 {
        guard !isReaped else { return 255 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        isReaped = true
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    /// Ends its stdin, and waits for the end of its stdout, what still comes unread: then all that was written has arrived
    /// where it takes it. For so many milliseconds at most.
    public func finish(within milliseconds: Int64) {
        shutdown(stdio.raw, Int32(SHUT_WR))
        let deadline = Clock.monotonic() + milliseconds
        var buffer = [UInt8](repeating: 0, count: 1 << 12)
        while true {
            let left = deadline - Clock.monotonic()
            guard left > 0 else { return }
            var poller = pollfd(fd: stdio.raw, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, Int32(clamping: left)) > 0 else { continue }
            guard let got = try? UnixSocket.receive(stdio.raw, into: &buffer), got.count > 0 else {
                return
            }
        }
    }

    deinit {
        guard !isReaped else { return }
        // The end of its stdin ends ssh and the relay; the signal, what waits elsewhere; SIGKILL, what is deaf.
        shutdown(stdio.raw, Int32(SHUT_RDWR))
        // Its group has what it started: ssh's way through a jump host is another ssh.
        kill(-pid, SIGTERM)
        var status: Int32 = 0
        for _ in 0..<100 {
            if waitpid(pid, &status, WNOHANG) != 0 { return }
            usleep(5000)
        }
        kill(-pid, SIGKILL)
        waitpid(pid, &status, 0)
    }

    /// The same for a program that ends by itself: with these as its stdin and stdout, and its stderr. Its caller reaps it.
    @discardableResult
    public static func start(_ arguments: [String], stdio: Int32, errors: Int32)
        throws(SystemError) -> Int32
    {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (from, to) in [(stdio, Int32(0)), (stdio, 1), (errors, 2)] {
            posix_spawn_file_actions_adddup2(&actions, from, to)
        }
        cl_spawn_close_from(&actions, 3)
        // Neither what this thread blocks nor what this process ignores is the program's.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // A group of its own: an interrupt at the terminal where a head runs is not for its links.
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let argv = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        let program = arguments.first ?? ""
        let error = posix_spawnp(&pid, program, &actions, &attributes, argv, cl_environ())
        guard error == 0 else { throw SystemError("start", program, errno: error) }
        return pid
    }
}
