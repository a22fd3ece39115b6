import JobModel
import StateStore
import Testing

@testable import JobServer

/// Who is told of a job a second time.
@Suite("Notifications of a job's runs")
struct NotificationRunTests {
    private static func told(_ server: JobServer) async throws -> [String] {
        try await server.settle()
        return try await server.store?.notifications().map(\.key.event).sorted() ?? []
    }

    /// Ends the attempt, and waits until the job has so many failures.
    private static func fail(_ attempt: String, _ failed: Int, _ server: JobServer, _ head: Head)
        async throws
    {
        await head.node.hears { $0.runs.contains(attempt) }
        head.node.end(AttemptID.of(attempt), code: 1)
        _ = try await server.await(JobID(1)) { $0.counts.failed == failed }
    }

    @Test(
        "each is told once in a run of the job, and a retry begins another, also behind a restart")
    func runs() async throws {
        let head = Head()
        defer { head.remove() }
        var server = try await head.start()
        head.node.connect()
        let job = try await server.submit(3) { spec in
            var notify = Notification(on: [.firstFailure], run: "true")
            notify.failures = .count(0)
            (spec.notify, spec.resources.cpus) = (notify, 0)
        }
        try await Self.fail("1_0.1", 1, server, head)
        let once = ["failures", "first_failure"]
        #expect(try await Self.told(server) == once)
        try await Self.fail("1_1.1", 2, server, head)
        #expect(try await Self.told(server) == once)

        _ = try await server.retry([TaskSelection(job: job)])
        try await Self.fail("1_0.2", 1, server, head)
        let twice = ["failures", "failures", "first_failure", "first_failure"]
        #expect(try await Self.told(server) == twice)

        server = try await head.start()
        head.node.connect(accepted: AttemptID.of("1_1.2", "1_2.1"))
        try await Self.fail("1_1.2", 2, server, head)
        #expect(try await Self.told(server) == twice)
    }
}
