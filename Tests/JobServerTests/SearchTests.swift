import JobModel
import Testing

@testable import JobServer

@Suite("Searches")
struct SearchTests {
    private static func record(_ index: Int, _ value: Double, rung: Int = 0) -> RungRecord {
        RungRecord(
            attempt: AttemptID(task: TaskID(job: JobID(1), index: index), number: 1), rung: rung,
            step: rung == 0 ? 1 : 2, value: value, mean: value, best: value)
    }

    @Test("a killed server knows the rungs and what it was stopping, and goes on from there")
    func restart() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let running = AttemptID.of("1_0.1", "1_1.1")
        let job = try await first.submit(2) {
            $0.search = SearchPolicy(.asha, MetricGoal(name: "loss", direction: .min))
            $0.search?.reduction = 2
        }
        await head.node.hears { $0.runs.count == 2 }
        head.node.start(running)
        head.node.reach([Self.record(0, 0.2), Self.record(1, 0.4)])
        await head.node.hears { $0.cancelled == ["1_1.1"] }

        let second = try await head.start()
        head.node.connect(accepted: running, started: running)
        await head.node.hears { $0.cancelled == ["1_1.1"] }
        head.node.reach([Self.record(1, 0.4), Self.record(0, 0.2)])
        head.node.end(running.reversed(), code: 143, metrics: ["loss": 0.4])
        _ = try await second.await(job) { $0.counts.stopped == 1 }
        let report = try await second.report(TaskSelection(job: job)).tasks
        #expect(report[1].state == .stopped && report[1].metrics == ["loss": 0.4])
        #expect(
            report[1].reason
                == "stopped by asha at step 1: loss is 0.4, and the best of 2 tasks has at most 0.2"
        )
    }
}
