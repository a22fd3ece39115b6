internal import Glibc
public import LinuxSystem

/// Bytes between a pair of descriptors and the agent's socket, both ways, until either ends.
public enum StdioRelay {
    /// Relays stdin and stdout; starts the agent where none runs. `greeting` goes before the first byte.
    public static func run(_ directories: Directories, greeting: String = "") throws(SystemError) {
        let socket = try connect(directories)
        try Files.writeAll(1, greeting.utf8, "stdout")
        try relay(from: 0, to: 1, socket.raw)
    }

    private static func connect(_ directories: Directories) throws(SystemError) -> OwnedFD {
        let deadline = Clock.monotonic() + 10_000
        var startedAt: Int64?
        while true {
            do throws(SystemError) {
                return try UnixSocket.connect(directories.agentSocket, .stream)
            } catch {
                guard [ENOENT, ECONNREFUSED].contains(error.errno), Clock.monotonic() < deadline
                else { throw error }
                // The one before it may still be ending, and then it ends itself.
                if startedAt.map({ Clock.monotonic() - $0 > 300 }) ?? true {
                    try Daemon.start(
                        [
                            try Daemon.sibling("martlet-agent"), "serve", directories.state,
                            directories.data, directories.run, directories.config,
                        ],
                        log: directories.run + "/agent.log")
                    startedAt = Clock.monotonic()
                }
                usleep(5000)
            }
        }
    }

    private static func relay(from input: Int32, to output: Int32, _ socket: Int32)
        throws(SystemError)
    {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var pollers = [
                pollfd(fd: input, events: Int16(POLLIN), revents: 0),
                pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&pollers, 2, -1) > 0 else { continue }
            for (poller, target) in zip(pollers, [socket, output]) where poller.revents != 0 {
                let count = try checkErrno(read(poller.fd, &buffer, buffer.count), "read")
                if count == 0 { return }
                try Files.writeAll(target, buffer[..<count], "relay")
            }
        }
    }
}
