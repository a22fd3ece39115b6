import JobModel
import Testing

@testable import JobServer

/// What `show`, `ls` and `run` say while nothing is heard of a node.
@Suite("Silent nodes in reports")
struct SilentNodeTests {
    @Test(
        "a task on a silent node says so, since when and until when, and no more once it is heard of"
    )
    func report() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit { $0.resources.cpus = 0 }
        await head.node.hears { $0.runs == ["1_0.1"] }
        head.node.start(AttemptID.of("1_0.1"))
        _ = try await server.await(job) { $0.state == .running && $0.reason == nil }

        head.node.disconnect()
        let silent = try await server.await(job) { $0.reason?.contains("silent since") == true }
        #expect(silent.state == .running)
        let task = try #require(try await server.report(TaskSelection(job: job)).tasks.first)
        let since = try #require(task.silentSince)
        #expect(task.state == .running && task.reason?.contains("silent since \(since)") == true)
        // This machine's own agent has no lease.
        #expect(task.givenUp == nil && task.reason?.contains("has no lease") == true)
        #expect(try await server.explain(job, index: 0).silentNodes?.first?.silentSince == since)

        head.node.connect(accepted: AttemptID.of("1_0.1"), started: AttemptID.of("1_0.1"))
        _ = try await server.await(job) { $0.reason == nil }
        let seen = try #require(try await server.report(TaskSelection(job: job)).tasks.first)
        #expect(seen.silentSince == nil && seen.reason == nil)
    }
}
