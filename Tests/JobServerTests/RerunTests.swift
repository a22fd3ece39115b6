import JobModel
import Testing

@testable import JobServer

@Suite("Running again")
struct RerunTests {
    private static func sweep(_ last: Int64) -> ParameterSweep {
        var sweep = ParameterSweep()
        sweep.grid = [.init(name: "lr", values: .range(first: 0, last: last))]
        return sweep
    }

    private static func spec(_ last: Int64, _ command: String = "true") -> JobSpec {
        JobSpec(name: "night", image: "host", command: [command], sweep: sweep(last))
    }

    /// A job of four tasks, of which 1 failed, 2 passed its limit and the others succeeded.
    private static func ended(_ head: Head) async throws -> JobServer {
        let server = try await head.start()
        head.node.connect()
        _ = try await server.submit(SubmitRequest(spec: spec(3), source: "first"))
        await head.node.hears { $0.runs.count >= 2 }
        for index in 0..<4 {
            await head.node.hears { $0.runs.contains("1_\(index).1") }
            var record = PretendedNode.end(AttemptID.of("1_\(index).1")[0])
            if index == 1 || index == 2 { record.status = .code(1) }
            if index == 2 { record.timedOut = true }
            head.node.end(record)
        }
        _ = try await server.await(JobID(1)) { $0.state.isFinal }
        return server
    }

    @Test("a repeated key with another spec is refused, and names what differs")
    func key() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let first = try await server.submit(
            SubmitRequest(spec: Self.spec(3), source: "", key: "k"))
        let again = try await server.submit(
            SubmitRequest(spec: Self.spec(3), source: "", key: "k"))
        #expect(first.id == again.id)
        let error = await #expect(throws: ErrorReport.self) {
            try await server.submit(
                SubmitRequest(spec: Self.spec(4, "false"), source: "", key: "k"))
        }
        #expect(error?.error.contains("job 1") == true && error?.isUsage == true)
        #expect(error?.error.contains("command, sweep.grid.lr") == true)
    }

    @Test("tasks are chosen by their points and by how they ended")
    func narrow() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await Self.ended(head)
        let all = [TaskSelection(job: JobID(1))]
        let low = try await server.narrow(all, condition: "lr < 2", timedOut: false)
        #expect(low.first?.ranges == [0..<2])
        let late = try await server.narrow(all, condition: nil, timedOut: true)
        #expect(late.first?.ranges == [2..<3])
        let neither = try await server.narrow(all, condition: "lr < 2", timedOut: true)
        #expect(try await server.retry(neither) == [0])
        for wrong in ["lr <", "rl < 2"] {
            let error = await #expect(throws: ErrorReport.self) {
                try await server.narrow(all, condition: wrong, timedOut: false)
            }
            #expect(error?.error.contains("--where") == true && error?.isUsage == true)
        }
        #expect(try await server.retry(late) == [1])
        await head.node.hears { $0.runs.contains("1_2.2") }
        #expect(!head.node.runs.contains("1_1.2"))
    }

    @Test("the newest job of a name goes on: what succeeded stays, also over a restart")
    func resume() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await Self.ended(head)
        let none = try await server.resume(
            ResumeRequest(
                spec: JobSpec(name: "other", image: "host", command: ["a"]), source: "",
                consents: false))
        #expect(none.id == nil && !none.isDone)
        // A changed command needs consent, and until then nothing happens.
        let asked = try await server.resume(
            ResumeRequest(spec: Self.spec(4, "better"), source: "second", consents: false))
        #expect(asked.changes.map(\.key) == ["command"] && !asked.isDone)
        #expect(asked.kept == 2 && asked.queued == 3 && asked.added == 1)
        #expect(try await server.summary(JobID(1)).counts.total == 4)
        let done = try await server.resume(
            ResumeRequest(spec: Self.spec(4, "better"), source: "second", consents: true))
        #expect(done.isDone && done.id == JobID(1))
        await head.node.hears { $0.runs.contains("1_1.2") && $0.runs.contains("1_2.2") }
        // While it goes on its sweep alone may change.
        let error = await #expect(throws: ErrorReport.self) {
            try await server.resume(
                ResumeRequest(spec: Self.spec(4, "best"), source: "", consents: true))
        }
        #expect(error?.error.contains("command") == true && error?.isUsage == true)

        let second = try await head.start()
        #expect(try await second.summary(JobID(1)).counts.total == 5)
        head.node.connect(accepted: AttemptID.of("1_1.2", "1_2.2"))
        for id in ["1_1.2", "1_2.2"] { head.node.end(AttemptID.of(id)) }
        await head.node.hears { $0.runs.contains("1_4.1") }
        head.node.end(AttemptID.of("1_4.1"))
        let job = try await second.await(JobID(1)) { $0.state.isFinal }
        #expect(job.state == .succeeded && job.counts.succeeded == 5)
        #expect(!head.node.runs.contains { $0.hasPrefix("1_0.") || $0.hasPrefix("1_3.") })
    }

    @Test("results of a job that has grown hold its new points, once it has ended, too")
    func grown() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await Self.ended(head)
        #expect(try await server.results(JobID(1)).points.count == 4)
        _ = try await server.resume(
            ResumeRequest(spec: Self.spec(5), source: "second", consents: false))
        for id in ["1_1.2", "1_2.2", "1_4.1", "1_5.1"] {
            await head.node.hears { $0.runs.contains(id) }
            head.node.end(AttemptID.of(id))
        }
        _ = try await server.await(JobID(1)) { $0.state.isFinal }
        let rows = try await server.results(JobID(1)).points
        #expect(rows.map(\.params["lr"]) == (0...5).map { .int($0) })
    }

    @Test("a sweep with other parameters is another job's")
    func otherParameters() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await Self.ended(head)
        var spec = Self.spec(3)
        spec.sweep.grid.append(.init(name: "seed", values: .range(first: 1, last: 2)))
        let error = await #expect(throws: ErrorReport.self) {
            try await server.resume(ResumeRequest(spec: spec, source: "", consents: true))
        }
        #expect(error?.error.contains("new: seed") == true && error?.isUsage == true)
    }
}
