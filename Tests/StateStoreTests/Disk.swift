import Foundation
import GRDB
import JobModel

@testable import StateStore

/// A directory of its own for a database.
struct Disk {
    let folder: URL
    var path: String { folder.path + "/state.db" }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    func open() throws -> StateStore { try StateStore(path: path) { _ in } }

    static let enforcement = {
        var enforcement = Enforcement(cpu: "a", memory: "b", pids: "c")
        enforcement.cpuBinding = "d"
        enforcement.memoryBinding = "e"
        enforcement.memoryPolicy = "f"
        return enforcement
    }()

    static let gang = Gang(
        placements: [
            Placement(node: "n", cpus: [0, 5], numaNodes: [1], gpus: ["G"], gpuShare: 250),
            Placement(node: "m", cpus: [], numaNodes: []),
        ], port: 20_001)

    /// Its rank 1 has ended.
    static let halfEnded = {
        var gang = Disk.gang
        let attempt = AttemptID(task: TaskID(job: JobID(1), index: 1), number: 1)
        gang.ends[1] = ExitRecord(
            attempt: attempt, status: .code(0), ended: Timestamp(milliseconds: 7))
        return gang
    }()

    /// One of each kind of write.
    static func everything(of job: JobID) -> [StoreWrite] {
        var record = ExitRecord(
            attempt: AttemptID(task: TaskID(job: job, index: 0), number: 2), status: .code(3),
            ended: Timestamp(milliseconds: 2000))
        record.started = Timestamp(milliseconds: 1000)
        record.metrics = ["loss": 0.25, "odd": .infinity]
        record.enforcement = enforcement
        let placement = Placement(
            node: "n", cpus: [0, 5], numaNodes: [1], gpus: ["G"], gpuShare: 250)
        var counts = TaskCounts()
        counts.succeeded = 1
        return [
            .node("n", agentEpoch: "a", launcherEpoch: "l", bootID: "b"),
            .node("gone", agentEpoch: "a", launcherEpoch: "x", bootID: "b"), .nodeRemoved("gone"),
            .dispatched(record.attempt, placement, memory: 1),
            .ended(record, .failed, failures: 1, memory: nil, reason: "exit code 3"),
            .dispatched(
                AttemptID(task: TaskID(job: job, index: 1), number: 1), placement, memory: nil,
                gang: gang),
            .gang(TaskID(job: job, index: 1), halfEnded),
            .cancelling(TaskID(job: job, index: 1)),
            .marked(
                TaskID(job: job, index: 7), .cancelled, attempt: 0, failures: 0, memory: nil,
                reason: "its job failed"),
            .range(job, 10..<20, .cancelled),
            .job(
                JobProgress(
                    id: job, started: nil, ended: nil, digest: "sha256:0", failure: nil,
                    lastFailure: nil, counts: counts)),
        ]
    }
}

extension StateStore {
    /// Returns when all that was queued until now is on disk.
    func write(_ writes: [StoreWrite]) async throws {
        await withCheckedContinuation { continuation in
            write(writes) { continuation.resume() }
        }
    }

    func add(_ name: String, key: String?, tasks: Int = 1) async throws -> InsertedJob {
        let draft = JobDraft(
            spec: JobSpec(name: name, image: "host", command: ["true"]), key: key,
            taskCount: tasks, dependencies: [], submitted: Timestamp(milliseconds: 1))
        return try await withCheckedThrowingContinuation { continuation in
            insert(draft) { continuation.resume(with: $0) }
        }
    }

    func insert(_ name: String, tasks: Int) async throws -> JobID {
        try await add(name, key: nil, tasks: tasks).id
    }

    /// Lets the database grow by so many pages and no further: SQLite's own full disk.
    func limitPages(extra: Int) async throws {
        try await writer.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(pages + extra)")
        }
    }
}
