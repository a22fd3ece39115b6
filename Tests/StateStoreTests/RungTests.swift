import JobModel
import Testing

@testable import StateStore

@Suite("State store: search")
struct RungTests {
    @Test("rungs, what is being stopped and what was are read back")
    func survives() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("night", tasks: 2)
        func attempt(_ index: Int) -> AttemptID {
            AttemptID(task: TaskID(job: job, index: index), number: 1)
        }
        let placement = Placement(node: "n", cpus: [], numaNodes: [])
        let first = RungRecord(
            attempt: attempt(0), rung: 0, step: 1, value: 0.5, mean: nil, best: 0.25)
        var again = first
        again.value = 7
        let second = RungRecord(
            attempt: attempt(1), rung: 0, step: 2, value: nil, mean: nil, best: nil)
        var counts = TaskCounts()
        counts.stopped = 2
        let record = ExitRecord(
            attempt: attempt(1), status: .signal(15), ended: Timestamp(milliseconds: 5))
        try await store.write([
            .dispatched(attempt(0), placement, memory: nil),
            .dispatched(attempt(1), placement, memory: nil),
            .reached(first), .reached(again), .reached(second),
            .stopping(attempt(0).task, "why"),
            .ended(record, .stopped, failures: 0, memory: nil, reason: "too slow"),
            .job(
                JobProgress(
                    id: job, started: nil, ended: nil, digest: nil, failure: nil,
                    lastFailure: nil, counts: counts)),
        ])
        let reopened = try disk.open()
        #expect(try reopened.rungs(of: job) == [first, second])
        let rows = try reopened.tasks(of: job).rows
        #expect(
            rows.map(\.isStopping) == [true, false] && rows.map(\.reason) == ["why", "too slow"])
        #expect(rows.map(\.state) == [.running, .stopped])
        #expect(try reopened.job(job)?.progress.counts == counts)
    }

    @Test("counts that an older version kept read as they were meant")
    func olderCounts() {
        let counts = CountList.counts("1,2,3,4,5,6", of: 21)
        #expect(counts.lost == 6 && counts.stopped == 0 && counts.total == 21)
        #expect(CountList.text(counts) == "1,2,3,4,5,6,0")
    }
}
