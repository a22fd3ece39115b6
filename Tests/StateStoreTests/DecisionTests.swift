import JobModel
import Testing

@testable import StateStore

@Suite("State store: policies")
struct DecisionTests {
    @Test("what was decided about a job, and what its tasks have used up, is read back")
    func survives() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("night", tasks: 3)
        var progress = JobProgress(
            id: job, started: nil, ended: nil, digest: nil, failure: nil, lastFailure: nil,
            counts: TaskCounts())
        progress.decisions.firstFailure = "1_0: exit code 2"
        progress.decisions.avoided = ["a": "is left out"]
        let task = TaskID(job: job, index: 0)
        let attempt = AttemptID(task: task, number: 1)
        let record = ExitRecord(
            attempt: attempt, status: .lost("x"), ended: Timestamp(milliseconds: 5))
        let placement = Placement(node: "n", cpus: [], numaNodes: [])
        try await store.write([
            .job(progress), .dispatched(attempt, placement, memory: nil),
            .ended(record, .queued, failures: 0, memory: nil, reason: nil),
            .extended(task, time: 9000, losses: 2),
            .dispatched(AttemptID(task: task, number: 2), placement, memory: nil),
            .overdue(task),
        ])
        try await store.write([
            .gpuClosed(node: "n", gpu: "G", reason: "r"),
            .gpuClosed(node: "m", gpu: "G", reason: "s"),
            .undrained("m"),
        ])
        let reopened = try disk.open()
        #expect(try reopened.restore().closedGPUs == ["n": ["G": "r"]])
        #expect(try reopened.job(job)?.progress.decisions == progress.decisions)
        let row = try #require(try reopened.tasks(of: job).rows.first)
        #expect(row.time == 9000 && row.losses == 2 && row.attempt == 2)
        #expect(row.isOverdue && !row.isCancelling)

        // Queued by a person, it begins anew.
        try await reopened.write([
            .marked(task, .queued, attempt: 2, failures: 0, memory: nil, reason: nil)
        ])
        let again = try #require(try reopened.tasks(of: job).rows.first)
        #expect(again.time == nil && again.losses == 0 && !again.isOverdue)
    }
}
