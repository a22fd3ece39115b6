import JobModel
import Testing

@testable import JobServer

/// What the log of events tells, from a server without a node of its own.
@Suite("Events of a server")
struct EventTests {
    /// All events of some jobs until they have ended.
    private func followed(_ server: JobServer, _ jobs: JobID..., since: Int64 = 0) async throws
        -> [EventReport]
    {
        var (events, end): ([EventReport], Int64) = ([], since)
        while let page = try await server.events(after: end, of: jobs, follow: true) {
            events += page.events
            end = page.end
        }
        return events
    }

    @Test("a job's life is told in order, to its end, and again by the next server")
    func life() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit(2) { $0.retry.attempts = 2 }
        async let live = followed(server, job)
        await head.node.hears { $0.runs.contains("1_0.1") }
        head.node.end(AttemptID.of("1_0.1"), code: 3)
        await head.node.hears { $0.runs.contains("1_0.2") }
        head.node.end(AttemptID.of("1_0.2"))
        await head.node.hears { $0.runs.contains("1_1.1") }
        head.node.end(AttemptID.of("1_1.1"))
        let events = try await live

        #expect(events.first?.kind == .jobSubmitted && events.last?.kind == .jobEnded)
        #expect(events.last?.state == "succeeded" && events.last?.counts?.succeeded == 2)
        #expect(events.filter { $0.kind == .jobStarted }.count == 1)
        let first = events.filter { $0.task == 0 }
        #expect(first.map(\.kind) == [.taskSent, .taskEnded, .taskSent, .taskEnded])
        #expect(first.map(\.attempt) == [1, 1, 2, 2])
        #expect(first.map(\.state) == ["running", "queued", "running", "succeeded"])
        #expect(first[1].exitCode == 3 && first[1].reason?.contains("exit code 3") == true)
        #expect(first[0].node != nil && first[3].started != nil)
        #expect(events.map(\.sequence) == events.map(\.sequence).sorted())

        // Killed: what was told is what is on disk.
        let next = try await head.start()
        #expect(try await followed(next, job) == events)
        let middle = events[3].sequence
        #expect(
            try await followed(next, job, since: middle)
                == events.filter { $0.sequence > middle })
    }

    @Test("cancelled tasks are told together, and a job that goes on says so")
    func cancelAndRetry() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let job = try await server.submit(1000)
        _ = try await server.cancel([TaskSelection(job: job)])
        let events = try await followed(server, job)
        let cancelled = try #require(events.first { $0.kind == .taskEnded })
        #expect(cancelled.task == 0 && cancelled.last == 999 && cancelled.state == "cancelled")
        #expect(events.map(\.kind) == [.jobSubmitted, .taskEnded, .jobEnded])

        let end = try await server.lastEvent()
        _ = try await server.retry([TaskSelection(job: job, ranges: [5..<6])])
        let more = try await server.events(after: end, of: [job], follow: false)?.events ?? []
        #expect(more.map(\.kind) == [.jobResumed, .taskQueued])
        _ = try await server.cancel([TaskSelection(job: job)])
        #expect(try await followed(server, job).filter { $0.kind == .jobEnded }.count == 2)
    }

    @Test("nodes that come, go and are drained are told")
    func nodes() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let local = try #require(await server.nodeStatus().first?.name)
        try await server.addNodes([NodeSpec(name: "far", destination: "far")])
        try await server.drainNode("far", reason: "new fan", requeue: false)
        try await server.undrainNode("far")
        try await server.removeNode("far", force: true)
        var (events, end): ([EventReport], Int64) = ([], 0)
        // The connection is told when it is there, which may be last.
        while !events.contains(where: { $0.kind == .nodeConnected }) {
            let page = try #require(try await server.events(after: end, of: [], follow: true))
            events += page.events
            end = page.end
        }
        #expect(events.first { $0.kind == .nodeConnected }?.node == local)
        let far = events.filter { $0.node == "far" }
        #expect(far.map(\.kind) == [.nodeAdded, .nodeDrained, .nodeUndrained, .nodeRemoved])
        #expect(far[1].reason == "new fan")
    }

    @Test("whoever follows is let go when the server ends, and one without a job is refused")
    func ending() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let job = try await server.submit()
        let submitted = try #require(try await server.events(after: 0, of: [job], follow: true))
        async let rest = server.events(after: submitted.end, of: [job], follow: true)
        await server.endWaiting()
        #expect(try await rest?.events.isEmpty ?? true)
        await #expect(throws: ErrorReport.self) {
            try await server.events(after: 0, of: [JobID(99)], follow: false)
        }
    }

    @Test("the end of any job, or of all, is waited for, or a time")
    func ends() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let (first, second) = (try await server.submit(), try await server.submit())
        #expect(try await server.waitForEnds([first, second], count: 1, milliseconds: 0).isEmpty)
        async let any = server.waitForEnds([first, second], count: 1, milliseconds: 30_000)
        async let all = server.waitForEnds([first, second], count: 2, milliseconds: 30_000)
        _ = try await server.cancel([TaskSelection(job: second)])
        #expect(try await any.map(\.id) == [second])
        _ = try await server.cancel([TaskSelection(job: first)])
        #expect(try await all.map(\.id) == [first, second])
    }
}
