import JobModel
import Testing

@testable import StateStore

@Suite("State store: best tasks")
struct BestTaskTests {
    private static func ends(
        _ job: JobID, _ index: Int, _ state: TaskState, _ metrics: [String: Double]
    ) -> [StoreWrite] {
        let attempt = AttemptID(task: TaskID(job: job, index: index), number: 1)
        var record = ExitRecord(
            attempt: attempt, status: .code(0), ended: Timestamp(milliseconds: 5))
        record.metrics = metrics
        return [
            .dispatched(attempt, Placement(node: "n", cpus: [], numaNodes: []), memory: nil),
            .ended(record, state, failures: 0, memory: nil, reason: nil),
        ]
    }

    @Test("the best of those that succeeded or were stopped is found, the first of equals")
    func found() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("sweep", tasks: 6)
        let loss = MetricGoal(name: "val.loss", direction: .min)
        #expect(try store.best(of: job, by: loss) == nil)
        let rows: [(TaskState, [String: Double])] = [
            (.failed, ["val.loss": -9]), (.succeeded, ["val.loss": 2]), (.succeeded, [:]),
            (.stopped, ["val.loss": 1]), (.succeeded, ["val.loss": 1, "acc": 3]),
            (.succeeded, ["val.loss": 7]),
        ]
        try await store.write(
            rows.enumerated().flatMap { Self.ends(job, $0, $1.0, $1.1) })
        #expect(try #require(try store.best(of: job, by: loss)) == (3, 1))
        let most = MetricGoal(name: "val.loss", direction: .max)
        #expect(try #require(try store.best(of: job, by: most)) == (5, 7))
        let accuracy = MetricGoal(name: "acc", direction: .max)
        #expect(try #require(try store.best(of: job, by: accuracy)) == (4, 3))
    }

    @Test("a job's best is kept, and let go of")
    func kept() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("sweep", tasks: 2)
        let best = BestReport(
            MetricGoal(name: "loss", direction: .min), 0.5, task: 1,
            params: ["lr": .double(0.1), "name": .string("a\"b")])
        try await store.write([.best(job, best)])
        #expect(try disk.open().job(job)?.best == best)
        #expect(try disk.open().restore().jobs.map(\.best) == [best])
        try await store.write([.best(job, nil)])
        #expect(try #require(try disk.open().job(job)).best == nil)
    }
}
