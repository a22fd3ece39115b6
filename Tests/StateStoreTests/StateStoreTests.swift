import Foundation
import GRDB
import JobModel
import Synchronization
import Testing

@testable import StateStore

@Suite("State store")
struct StateStoreTests {
    @Test("what was written is read back by the next server, without the first one closing")
    func survives() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let job = try await disk.open().insert("sweep", tasks: 1_000_000)
        let written = Disk.everything(of: job)
        try await disk.open().write(written)

        // The first stores were dropped without a word, as a kill leaves them.
        let store = try disk.open()
        let state = try store.restore()
        #expect(state.jobs.map(\.spec.name) == ["sweep"])
        #expect(state.jobs.first?.taskCount == 1_000_000)
        #expect(state.jobs.first?.progress.counts.succeeded == 1)
        #expect(state.nodes.map(\.launcherEpoch) == ["l"])
        let tasks = try store.tasks(of: job)
        #expect(tasks.rows.map(\.index) == [0, 1, 7])
        #expect(tasks.ranges.map(\.0) == [10..<20])
        let ended = try #require(tasks.rows.first)
        #expect(ended.state == .failed && ended.code == 3 && ended.attempt == 2)
        #expect(ended.metrics == ["loss": 0.25])
        #expect(
            ended.placement
                == Placement(node: "n", cpus: [0, 5], numaNodes: [1], gpus: ["G"], gpuShare: 250))
        #expect(ended.enforcement == Disk.enforcement)
        #expect(tasks.rows[1].state == .running && tasks.rows[1].isCancelling)
        #expect(tasks.rows[1].gang == Disk.halfEnded && tasks.rows[0].gang == nil)
        #expect(tasks.rows[2].reason == "its job failed" && tasks.rows[2].placement == nil)
    }

    @Test("a dispatch clears what the attempt before it left, but not its failures")
    func nextAttempt() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("again", tasks: 1)
        let task = TaskID(job: job, index: 0)
        var record = ExitRecord(
            attempt: AttemptID(task: task, number: 1), status: .code(1),
            ended: Timestamp(milliseconds: 5))
        record.metrics = ["loss": 1]
        let placement = Placement(node: "n", cpus: [], numaNodes: [])
        try await store.write([
            .dispatched(record.attempt, placement, memory: nil, gang: Disk.gang),
            .ended(record, .queued, failures: 1, memory: 6 << 30, reason: "exit code 1"),
            .dispatched(AttemptID(task: task, number: 2), placement, memory: 6 << 30),
        ])
        let row = try #require(try store.tasks(of: job).rows.first)
        #expect(row.attempt == 2 && row.failures == 1 && row.memory == 6 << 30)
        #expect(row.code == nil && row.reason == nil && row.metrics.isEmpty && row.ended == nil)
        #expect(row.gang == nil)
    }

    @Test("numbers are never used again, and a key names one job for ever")
    func keys() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let first = try await store.add("a", key: "k")
        let again = try await store.add("a", key: "k")
        let other = try await store.add("a", key: nil)
        #expect(first.isNew && !again.isNew && other.isNew)
        #expect(first.id == again.id && other.id > first.id)
        let reopened = try await disk.open().add("a", key: "k")
        #expect(reopened.id == first.id)
    }

    @Test("many writers share commits, and are answered in order")
    func order() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("order", tasks: 1000)
        let seen = Mutex<[Int]>([])
        for index in 0..<500 {
            let mark = StoreWrite.marked(
                TaskID(job: job, index: index), .cancelled, attempt: 0, failures: 0, memory: nil,
                reason: nil)
            store.write([mark]) { seen.withLock { $0.append(index) } }
        }
        try await store.write([])
        #expect(seen.withLock { $0 } == Array(0..<500))
        #expect(try store.tasks(of: job).rows.count == 500)
    }

    @Test("with the disk full a submit fails, what was told waits, and all of it is there later")
    func diskFull() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let conditions = Mutex<[String]>([])
        let store = try StateStore(path: disk.path) { condition in
            conditions.withLock { conditions in
                switch condition {
                case .held(let error): conditions.append("\(error.kind)")
                case .released: conditions.append("released")
                }
            }
        }
        let job = try await store.insert("full", tasks: 10_000)
        try await store.limitPages(extra: 2)
        let ids = (0..<3000).map { TaskID(job: job, index: $0) }
        let text = String(repeating: "x", count: 100)
        let done = Mutex(false)
        store.write(
            ids.map {
                .marked($0, .failed, attempt: 1, failures: 1, memory: nil, reason: text)
            }
        ) { done.withLock { $0 = true } }
        await #expect(throws: StoreError.self) { try await store.insert("no", tasks: 1) }
        #expect(!done.withLock { $0 })
        #expect(conditions.withLock { $0 } == ["diskFull"])
        #expect(try store.tasks(of: job).rows.isEmpty)

        try await store.limitPages(extra: 1_000_000)
        try await store.write([])
        #expect(done.withLock { $0 })
        #expect(conditions.withLock { $0 } == ["diskFull", "released"])
        #expect(try store.tasks(of: job).rows.count == 3000)
        #expect(try store.restore().jobs.map(\.spec.name) == ["full"])
    }

    @Test("one job, the states of its tasks, and its best ones are read by themselves")
    func parts() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("parts", tasks: 100)
        let placement = Placement(node: "n", cpus: [], numaNodes: [])
        for (index, loss) in [(3, 0.5), (40, 0.1), (41, nil)] as [(Int, Double?)] {
            let id = AttemptID(task: TaskID(job: job, index: index), number: 1)
            var record = ExitRecord(
                attempt: id, status: .code(0), ended: Timestamp(milliseconds: 2))
            record.metrics = loss.map { ["loss": $0] } ?? [:]
            try await store.write([
                .dispatched(id, placement, memory: nil),
                .ended(record, .succeeded, failures: 0, memory: nil, reason: nil),
            ])
        }
        try await store.write([.range(job, 38..<45, .cancelled)])
        #expect(try store.job(job)?.spec.name == "parts")
        #expect(try store.job(JobID(99)) == nil)
        #expect(
            try store.states(of: job, in: 37..<42) == [
                .queued, .cancelled, .cancelled, .succeeded, .succeeded,
            ])
        #expect(try store.metricNames(of: job) == ["loss"])
        for (direction, best) in [(.min, [40, 3, 41]), (.max, [3, 40, 41])]
            as [(MetricGoal.Direction, [Int])]
        {
            let goal = MetricGoal(name: "loss", direction: direction)
            #expect(try store.best(of: job, by: [goal], limit: 3) == best)
        }
    }

    @Test("a file that is no database is refused with a reason")
    func corrupt() throws {
        let disk = try Disk()
        defer { disk.remove() }
        try Data(repeating: 7, count: 8192).write(to: URL(fileURLWithPath: disk.path))
        #expect {
            _ = try disk.open()
        } throws: { ($0 as? StoreError)?.kind == .corrupt }
    }

    @Test("commits are durable: WAL with full synchronisation on a local disk")
    func durable() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let (journal, synchronous) = try await store.writer.read { database in
            (
                try String.fetchOne(database, sql: "PRAGMA journal_mode"),
                try Int.fetchOne(database, sql: "PRAGMA synchronous")
            )
        }
        #expect(journal == "wal" && synchronous == 2)
    }
}
