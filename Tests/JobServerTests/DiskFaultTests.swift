import FaultyDisk
import Foundation
import GRDB
import JobModel
import LinuxSystem
import Testing

@testable import JobServer
@testable import StateStore

/// A server whose disk fails, or whose database is not what it was.
@Suite("Faults of the server's disk")
struct DiskFaultTests {
    /// With its database on a disk that can fail.
    private func faulty(_ head: Head) -> FaultyDisk { FaultyDisk(folder: head.directories.state) }

    @Test(
        "while nothing can be written submits are refused, tasks' ends wait, and nothing is lost",
        arguments: [
            (FaultyDisk.Fault.full, "full"), (.error, "disk I/O error"), (.lost, "disk I/O error"),
            (.short, "disk I/O error"),
        ])
    func held(fault: FaultyDisk.Fault, words: String) async throws {
        let head = Head()
        defer { head.remove() }
        let disk = faulty(head)
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit(2)
        await head.node.hears { $0.runs.count == 2 }

        disk.fail(fault, at: 1, isLasting: true)
        head.node.end(AttemptID.of("1_0.1"))
        let held = try await server.await(job) { $0.state == .held }
        #expect(held.reason?.contains(words) == true)
        #expect(head.node.acknowledged.isEmpty)
        await #expect {
            _ = try await server.submit()
        } throws: {
            ($0 as? ErrorReport)?.error.contains(words) == true
        }
        #expect(await server.status().held?.contains(words) == true)

        disk.release()
        await head.node.hears { $0.acknowledged == ["1_0.1"] }
        head.node.end(AttemptID.of("1_1.1"))
        #expect(try await server.await(job) { $0.state.isFinal }.counts.succeeded == 2)
        // Only what was told is there, and all of it.
        let next = try await head.start()
        #expect(await next.jobs().map(\.id) == [job])
        #expect(try await next.states(job) == [.succeeded, .succeeded])
    }

    @Test("a server that only refused a submit takes the next one as soon as the disk works")
    func refusedSubmit() async throws {
        let head = Head()
        defer { head.remove() }
        let disk = faulty(head)
        let server = try await head.start()
        let waiting = try await server.submit()
        disk.fail(.error, at: 1, isLasting: true)
        await #expect(throws: ErrorReport.self) { try await server.submit() }
        _ = try await server.await(waiting) { $0.state == .held }
        disk.release()
        _ = try await server.await(waiting) { $0.state != .held }
        #expect(try await server.submit() == JobID(2))
    }

    @Test("values that cannot be hold the server, and the reason says what to do")
    func damaged() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit(1)
        await head.node.hears { $0.runs == ["1_0.1"] }
        head.node.end(AttemptID.of("1_0.1"))
        _ = try await server.await(job) { $0.state.isFinal }
        try await server.settle()
        let waiting = try await server.submit(8)
        try await server.store?.writer.write { database in
            try database.execute(sql: "UPDATE tasks SET state = 77 WHERE job = 1")
        }
        await #expect {
            _ = try await server.states(job)
        } throws: {
            ($0 as? ErrorReport)?.hint?.contains(head.directories.database) == true
        }
        let held = try await server.await(waiting) { $0.state == .held }
        #expect(held.reason?.contains("no state 77") == true)
        await #expect(throws: ErrorReport.self) { try await server.submit() }
    }

    @Test("a server whose database was moved away begins anew, with other numbers for its jobs")
    func movedAway() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        _ = try await first.submit()
        _ = try await first.submit()
        await first.shutdown(stopNodes: false)
        for name in try FileManager.default.contentsOfDirectory(atPath: head.directories.state)
        where name.hasPrefix("state.db") {
            try FileManager.default.removeItem(atPath: head.directories.state + "/" + name)
        }
        let second = try await head.start()
        #expect(try await second.submit() == JobID(3))
        await second.shutdown(stopNodes: false)
        // The last to close the database writes its journal back into it.
        while FileManager.default.fileExists(atPath: head.directories.database + "-wal") {
            try await Task.sleep(for: .milliseconds(1))
        }
        try Data().write(to: URL(fileURLWithPath: head.directories.database))
        await #expect {
            _ = try await head.start()
        } throws: {
            guard let error = $0 as? ErrorReport else { return false }
            return error.error.contains("is empty") && error.hint?.contains("mv ") == true
        }
        // Whoever started it hears of it, once.
        #expect(ServerRefusal.take(head.directories)?.error.contains("is empty") == true)
        #expect(ServerRefusal.take(head.directories) == nil)
    }
}
