internal import Glibc

/// Sockets that a service manager hands on, sd_listen_fds(3): descriptors from 3 on, before those of `--preserve-fds`.
package struct ListeningSockets: Sendable, Hashable {
    package let count: UInt32
    /// `LISTEN_FDNAMES`.
    let names: String?

    /// Nil where there are none, or where they are another process's.
    package static func given() -> ListeningSockets? {
        guard value("LISTEN_PID") == "\(getpid())",
            let count = value("LISTEN_FDS").flatMap({ UInt32($0) }), count > 0
        else { return nil }
        return ListeningSockets(count: count, names: value("LISTEN_FDNAMES"))
    }

    /// Copied at once, by a process with one thread.
    private static func value(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// A program's environment, but for the pid, which its process alone knows.
    func added(to environment: [String]) -> [String] {
        environment.filter { !$0.hasPrefix("LISTEN_") } + ["LISTEN_FDS=\(count)"]
            + (names.map { ["LISTEN_FDNAMES=" + $0] } ?? [])
    }
}
