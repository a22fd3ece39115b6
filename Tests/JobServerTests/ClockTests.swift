import JobModel
import LinuxSystem
import Synchronization
import Testing

@testable import JobServer
@testable import StateStore

/// A clock that somebody sets while a server lives, or between two.
@Suite("The server's clock")
struct ServerClockTests {
    /// Milliseconds by which somebody has set the wall clock.
    private final class SetClock: Sendable {
        let ahead = Mutex<Int64>(0)
        func set(_ milliseconds: Int64) { ahead.withLock { $0 = milliseconds } }
        var now: Int64 { Clock.now() + ahead.withLock { $0 } }
    }

    @Test("the server's own time goes on whatever the wall clock is set to")
    func ownTime() {
        let read = Mutex((wall: Int64(1_000_000), boot: Int64(50)))
        var pace = ServerPace()
        pace.wall = { read.withLock { $0.wall } }
        pace.sinceBoot = { read.withLock { $0.boot } }
        let clock = ServerClock(pace)
        read.withLock { $0 = ($0.wall + 3_600_010, $0.boot + 10) }
        #expect(clock.now.milliseconds == 1_000_010 && clock.wallAhead == 3_600_000)
        read.withLock { $0 = ($0.wall - 7_200_000, $0.boot + 10) }
        #expect(clock.now.milliseconds == 1_000_020 && clock.wallAhead == -3_600_010)
    }

    @Test("a job with a start begins by the wall clock as it is, and not as it was")
    func start() async throws {
        let head = Head()
        defer { head.remove() }
        let clock = SetClock()
        let server = try await head.start { $0.pace.wall = { clock.now } }
        head.node.connect()
        _ = try await server.submit {
            $0.start = Timestamp(milliseconds: Clock.now() + 3_600_000)
        }
        _ = try await server.submit(1)
        await head.node.hears { $0.runs == ["2_0.1"] }
        // Whatever comes next shows it: a message, or the server's own look after a minute.
        clock.set(2 * 3_600_000)
        head.node.start(AttemptID.of("2_0.1"))
        await head.node.hears { $0.runs.contains("1_0.1") }
    }

    @Test("what goes by numbers that grow with every server goes on where the clock was set back")
    func epochs() async throws {
        let head = Head()
        defer { head.remove() }
        let clock = SetClock()
        var epochs: [Int64] = []
        var versions: [Int64] = []
        for ahead in [0, -86_400_000, 3_600_000, -3_600_000] as [Int64] {
            clock.set(ahead)
            let path = head.directories.database
            try Files.makeDirectories(head.directories.state)
            let store = try StateStore(
                path: path, mode: .wal, patience: 0.5, now: clock.now, onCondition: { _ in })
            epochs.append(store.epoch)
            store.close()
            let server = try await head.start { $0.pace.wall = { clock.now } }
            if versions.isEmpty { _ = try await server.submit() }
            versions.append(await server.version(of: JobID(1)))
            await server.shutdown(stopNodes: false)
        }
        #expect(epochs == Array(Set(epochs)).sorted())
        #expect(versions == Array(Set(versions)).sorted())
    }
}
