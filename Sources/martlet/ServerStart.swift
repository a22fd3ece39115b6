import Glibc
import JobModel
import JobServer
import LinuxSystem

/// The start of a server: one process at a time, watched for as long as it gets on. A machine may be slow, and a large database
/// takes its time after a crash.
struct ServerStart {
    /// Milliseconds for servers that end before they answer: what they stumbled over may be passing.
    private static let patience: Int64 = 15_000
    /// Tries that a machine gets on which one try takes longer than that.
    private static let tries = 3
    /// Milliseconds that one may live without having got any CPU time.
    private static let standstill: Int64 = 60_000
    /// Milliseconds that one may take at all.
    private static let longest: Int64 = 600_000
    /// Milliseconds until somebody who waits is told what for.
    private static let silence: Int64 = 10_000

    private struct Awaited {
        let pid: Int32
        let since: Int64
        /// In clock ticks, and since when it is that.
        var used: UInt64 = 0
        var usedSince: Int64
    }

    private let directories: Directories
    private let program: String
    private let log: String
    private let began = Clock.monotonic()
    private var awaited: Awaited?
    private var nextStart: Int64 = 0
    private var failed = 0
    private var hasTold = false

    init(_ directories: Directories) throws {
        try Files.makePrivateDirectory(directories.run)
        self.directories = directories
        program = try Daemon.sibling("martlet")
        log = directories.run + "/server.log"
    }

    /// To be called until a server answers, every few milliseconds; starts one where none is on its way. Throws where there is
    /// no more hope.
    mutating func goOn() throws {
        let now = Clock.monotonic()
        if let server = awaited {
            guard try Daemon.awaitEnd(of: server.pid, milliseconds: 0) else {
                return try watch(server, now)
            }
            awaited = nil
            failed += 1
            if let refusal = ServerRefusal.take(directories) {
                throw Failure(.infrastructure, refusal.error, hint: refusal.hint)
            }
        }
        guard now - began < Self.patience || failed < Self.tries else {
            throw failure("the server does not start")
        }
        guard now >= nextStart else { return }
        if let other = ServerLock.otherServer(directories) { throw other }
        // One that is ending holds its lock to the last, and the server started meanwhile would give up.
        if let holder = ServerLock.holder(directories) {
            failed = 0
            awaited = Awaited(pid: holder, since: now, usedSince: now)
        } else {
            // One that was left by a server of long ago says nothing of this one.
            _ = ServerRefusal.take(directories)
            let pid = try Daemon.start([program, "server", "run"], log: log)
            awaited = Awaited(pid: pid, since: now, usedSince: now)
        }
        nextStart = now + 500
    }

    private mutating func watch(_ server: Awaited, _ now: Int64) throws {
        // Where it has just ended, the next look tells.
        if let used = ProcessStat(server.pid)?.processorTime, used != server.used {
            awaited?.used = used
            awaited?.usedSince = now
        } else if now - server.usedSince > Self.standstill {
            throw failure("the server (pid \(server.pid)) does nothing, and does not answer")
        }
        guard now - server.since < Self.longest else {
            throw failure("the server (pid \(server.pid)) does not answer")
        }
        if now - began > Self.silence, !hasTold {
            hasTold = true
            note("waiting for the server (pid \(server.pid)) to answer; its log is \(log)")
        }
    }

    private func failure(_ what: String) -> Failure {
        // Without a log there is nothing to show.
        let text = (try? Files.text(log, limit: 1 << 26)) ?? ""
        let lines = text.split(separator: "\n").suffix(5).map { "      \($0)" }
        return Failure(
            .infrastructure, what,
            hint: lines.isEmpty
                ? "its log, \(log), is empty"
                : "its log, \(log), ends:\n\(lines.joined(separator: "\n"))")
    }
}
