internal import Glibc
public import JobModel
public import LinuxSystem

/// Says that one server alone serves these directories. One lock lies beside the database, which two servers would spoil, one
/// in the run directory, whose sockets they would take from each other: the same user may have another run directory, as
/// under cron or su, or on another machine with the same home. Both end with the process.
public struct ServerLock: ~Copyable, Sendable {
    private let state: FileLock
    private let run: FileLock

    /// Throws where another server has one of them, and says which server that is.
    public init(_ directories: Directories) throws(ErrorReport) {
        do throws(SystemError) {
            try Files.makePrivateDirectory(directories.run)
            try Files.makeDirectories(directories.state, mode: 0o700)
            guard let run = try FileLock.attempt(directories.run + "/server.lock"),
                let state = try FileLock.attempt(Self.path(directories))
            else { throw SystemError("lock", directories.state, errno: EWOULDBLOCK) }
            try run.write("\(getpid())\n")
            try state.write("\(getpid()) \(Self.host()) \(directories.run)\n")
            self.run = run
            self.state = state
        } catch {
            guard error.errno == EWOULDBLOCK else { throw ErrorReport(error: "\(error)") }
            throw Self.otherServer(directories)
                ?? ErrorReport(error: "another server serves \(directories.state)")
        }
    }

    /// What to tell where the database's server, to judge by its lock, has its sockets elsewhere; nil where it has them here, or
    /// is gone.
    public static func otherServer(_ directories: Directories) -> ErrorReport? {
        // Without a lock file no server was ever here.
        guard let text = try? Files.text(path(directories)) else { return nil }
        let words = text.split(separator: " ", maxSplits: 2)
        guard words.count == 3, let pid = Int32(words[0]) else { return nil }
        let run = words[2].prefix { $0 != "\n" }
        guard run != directories.run || words[1] != host() else { return nil }
        // Free: its server has ended. Held for a moment only, and by nobody who means to keep it.
        if let lock = try? FileLock.attempt(path(directories)) {
            _ = consume lock
            return nil
        }
        return ErrorReport(
            error:
                "another server (pid \(pid) on \(words[1])) serves \(directories.state), from \(run)",
            hint:
                "its run directory is chosen by XDG_RUNTIME_DIR: use the same, or stop that server")
    }

    /// The server that has this run directory, whether it has yet to answer or is ending; nil where none does.
    public static func holder(_ directories: Directories) -> Int32? {
        let path = directories.run + "/server.lock"
        // Without a lock file no server was ever here.
        guard let text = try? Files.text(path), let pid = Int32(text.prefix { $0 != "\n" }),
            pid != getpid(), kill(pid, 0) == 0
        else { return nil }
        // Its pid may be somebody else's by now. Free: taken for a moment only, as above.
        return (try? FileLock.attempt(path)) == nil ? pid : nil
    }

    private static func path(_ directories: Directories) -> String {
        directories.state + "/server.lock"
    }

    private static func host() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
