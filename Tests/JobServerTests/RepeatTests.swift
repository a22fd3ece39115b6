import JobModel
import Testing

@testable import JobServer

@Suite("Repeated jobs")
struct RepeatTests {
    private static func spec() throws -> JobSpec {
        var spec = JobSpec(name: "nightly", image: "host", command: ["true"])
        spec.repetition = try RepeatRule("0 22 * * *")
        return spec
    }

    private static func job(_ id: Int64, of server: JobServer) async -> JobSummary {
        while true {
            if let job = try? await server.summary(JobID(id)) { return job }
            await Task.yield()
        }
    }

    @Test("a repeated job waits for its time; when one has ended the next one waits, once")
    func repeats() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        var spec = try Self.spec()
        // The first one at once.
        spec.start = Timestamp(milliseconds: 1)
        _ = try await server.submit(SubmitRequest(spec: spec, source: "text"))
        await head.node.hears { $0.runs == ["1_0.1"] }
        head.node.end(AttemptID.of("1_0.1"), code: 1)
        let next = await Self.job(2, of: server)
        #expect(next.state == .waiting && next.reason?.hasPrefix("starts at") == true)
        #expect(next.name == "nightly")
        // Tried again, the first has its successor already; and so it has after a restart.
        _ = try await server.retry([TaskSelection(job: JobID(1))])
        await head.node.hears { $0.runs.contains("1_0.2") }
        head.node.end(AttemptID.of("1_0.2"))
        _ = try await server.await(JobID(1)) { $0.state.isFinal }
        let second = try await head.start()
        head.node.connect()
        #expect(await Self.job(2, of: second).state == .waiting)
        // Whoever cancels one wants no more.
        _ = try await second.cancel([TaskSelection(job: JobID(2))])
        _ = try await second.await(JobID(2)) { $0.state.isFinal }
        let third = try await head.start()
        #expect(try await third.submit() == JobID(3))
    }

    @Test("the same key is the same repeated job, and a rule that never comes is refused")
    func refused() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        var spec = try Self.spec()
        let same = try await server.submit(SubmitRequest(spec: spec, source: "", key: "k"))
        #expect(
            try await server.submit(SubmitRequest(spec: spec, source: "", key: "k")).id == same.id)
        spec.repetition = try RepeatRule("0 0 31 2 *")
        let error = await #expect(throws: ErrorReport.self) {
            try await server.submit(SubmitRequest(spec: spec, source: ""))
        }
        #expect(error?.error.contains("never comes") == true && error?.isUsage == true)
    }
}
