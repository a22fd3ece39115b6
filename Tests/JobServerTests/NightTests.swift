import JobModel
import Testing

@testable import JobServer

/// The summary of some hours, checked against what the node said.
@Suite("Report of a night")
struct NightTests {
    private static let hour: Int64 = 3_600_000

    @Test("ends, retries, failures by reason and the nodes' use are counted to the last task")
    func counts() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let good = try await server.submit(2)
        await head.node.hears { $0.runs.count == 2 }
        head.node.end(AttemptID.of("1_0.1", "1_1.1"))
        _ = try await server.await(good) { $0.state.isFinal }
        let bad = try await server.submit(3) { $0.retry.attempts = 2 }
        for (attempt, code) in [
            ("2_0.1", 7), ("2_1.1", 0), ("2_0.2", 7), ("2_2.1", 9), ("2_2.2", 7),
        ] as [(String, Int32)] {
            await head.node.hears { $0.runs.contains(attempt) }
            head.node.end(AttemptID.of(attempt), code: code)
        }
        _ = try await server.await(bad) { $0.state.isFinal }
        let waiting = try await server.submit(1) { $0.resources.cpus = 64 }

        // The node's clock says that all of it was in 1970.
        let whole = try await server.night(60 * 365 * 24 * Self.hour)
        #expect(whole.jobs.map(\.id) == [good, bad, waiting])
        #expect(whole.ended.succeeded == 3 && whole.ended.failed == 2)
        let failed = try #require(whole.jobs.dropFirst().first)
        #expect(failed.state == .failed && failed.retried == 2)
        #expect(failed.failures == [.init(reason: "exit code 7", tasks: 2, first: 0)])
        // Of each task its last attempt, of a minute less a millisecond.
        #expect(abs(failed.taskSeconds - 3 * 59.999) < 0.001)
        let node = try #require(whole.nodes.first)
        #expect(whole.nodes.count == 1 && node.tasks == 5)
        #expect(abs(node.cpuHours - 5 * 59.999 / 3600) < 0.0001)
        #expect(node.cpuShare != nil && node.gpuShare == nil)
        #expect(whole.jobs.last?.counts.queued == 1)

        // The next server has the same to say.
        let next = try await head.start()
        #expect(try await next.night(60 * 365 * 24 * Self.hour).ended == whole.ended)
    }

    @Test("what ended before it began is no part of it, and nodes that went away are")
    func window() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit()
        await head.node.hears { $0.runs.count == 1 }
        head.node.end(AttemptID.of("1_0.1"))
        _ = try await server.await(job) { $0.state.isFinal }
        head.node.disconnect()
        var (kinds, end): ([EventReport.Kind], Int64) = ([], 0)
        while !kinds.contains(.nodeDisconnected) {
            let page = try #require(try await server.events(after: end, of: [], follow: true))
            kinds += page.events.map(\.kind)
            end = page.end
        }
        let report = try await server.night(Self.hour)
        // The job ended in this hour, its task, as the node's clock has it, in 1970.
        #expect(report.jobs.map(\.id) == [job] && report.ended.finished == 0)
        #expect(report.incidents.map(\.kind) == [.nodeDisconnected])
        #expect(report.incidents.first?.reason == "cut")
    }
}
