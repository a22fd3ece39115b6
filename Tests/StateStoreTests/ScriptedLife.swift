import FaultyDisk
import Foundation
import GRDB
import JobModel
import Synchronization
import Testing

@testable import StateStore

/// A life of a store, the same each time: entry for entry a task ends, its job counts it and the log tells of it, so that a
/// database says how far it came, and whether it has anything in half.
final class ScriptedLife: Sendable {
    static let entries = 14
    /// Jobs are submitted before these.
    static let submits = [2, 5, 6, 11]
    static let limits = EventLimits(tasks: 6, others: 4, interval: 5)

    struct Told: Sendable {
        var entries = 0
        var jobs: [String] = []
        /// For sure.
        var refused: [String] = []
    }

    enum Step: Sendable { case told, answered, held, released }

    let store: StateStore
    private let told = Mutex(Told())
    private let steps: AsyncStream<Step>
    private let step: AsyncStream<Step>.Continuation

    init(_ path: String, checkpoints: Int = 6) throws {
        let (steps, step) = AsyncStream<Step>.makeStream()
        (self.steps, self.step) = (steps, step)
        store = try StateStore(
            path: path, events: Self.limits, mode: .wal, patience: 0.001
        ) { condition in
            switch condition {
            case .held: step.yield(.held)
            case .released: step.yield(.released)
            }
        }
        // Small journals are made an end of often.
        try store.writer.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA wal_autocheckpoint = \(checkpoints)")
        }
    }

    var sofar: Told { told.withLock { $0 } }

    /// Gives the store everything, one after the other. Where the disk stays as it is, what comes after a failure is not waited for.
    func live(isLasting: Bool) async {
        var iterator = steps.makeAsyncIterator()
        var isStuck = false
        let parts = (0..<Self.entries).flatMap { entry in
            Self.submits.contains(entry)
                ? [(Step.answered, entry), (.told, entry)] : [(.told, entry)]
        }
        for (wanted, entry) in parts {
            if wanted == .answered { submit("before \(entry)") } else { write(entry) }
            while !isStuck, let step = await iterator.next(), step != wanted {
                if step == .held, isLasting { isStuck = true }
            }
        }
    }

    private func write(_ entry: Int) {
        store.write(Self.writes(entry)) { [self] in
            told.withLock { $0.entries += 1 }
            step.yield(.told)
        }
    }

    /// Returns when all of it is on disk, as soon as the disk works.
    func settle() async {
        await withCheckedContinuation { continuation in
            store.write([]) { continuation.resume() }
        }
    }

    private func submit(_ name: String) {
        let draft = JobDraft(
            spec: JobSpec(name: name, image: "host", command: ["true"]), key: nil, taskCount: 1,
            dependencies: [], submitted: Timestamp(milliseconds: 1))
        store.insert(draft) { [self] result in
            told.withLock { told in
                switch result {
                case .success: told.jobs.append(name)
                case .failure(let error):
                    if !error.reason.contains("martlet ls") { told.refused.append(name) }
                }
            }
            step.yield(.answered)
        }
    }

    static func writes(_ entry: Int) -> [StoreWrite] {
        let task = TaskID(job: JobID(1), index: entry)
        // Some have pages of their own.
        let reason = "entry \(entry)" + String(repeating: ".", count: entry % 3 == 1 ? 9000 : 0)
        var counts = TaskCounts()
        counts.failed = entry + 1
        counts.queued = entries - entry - 1
        var ended = EventDraft(.taskEnded, at: Timestamp(milliseconds: 5), job: JobID(1))
        ended.tasks = entry..<entry + 1
        var writes: [StoreWrite] = [
            .marked(task, .failed, attempt: 1, failures: 1, memory: nil, reason: reason),
            .event(ended),
            .job(
                JobProgress(
                    id: JobID(1), started: nil, ended: nil, digest: nil, failure: nil,
                    lastFailure: nil, counts: counts)),
        ]
        switch entry % 4 {
        case 0: writes += Array(Disk.everything(of: JobID(1)).prefix(3))
        case 1: writes.append(.drained("n", reason: "r", isQuarantine: false))
        case 2: writes.append(.undrained("n"))
        default: writes.append(.gpuClosed(node: "n", gpu: "\(entry)", reason: "r"))
        }
        return writes
    }

    /// The database that lives begin with: one job, and nothing in the journal.
    static func beginning() async throws -> Data {
        let disk = try Disk()
        defer { disk.remove() }
        try await withStore(disk.path) { store in
            _ = try await store.insert("first", tasks: entries)
        }
        return try Data(contentsOf: URL(fileURLWithPath: disk.path))
    }

    /// Opens a store, and has closed it when it returns.
    static func withStore<Value>(
        _ path: String, _ body: (StateStore) async throws -> Value
    ) async throws -> Value {
        let store = try StateStore(path: path) { _ in }
        let value = try await body(store)
        store.close()
        try store.reader.close()
        try store.writer.close()
        return value
    }

    /// How many entries a database has; nothing of it may be half, or be there twice, or be missing though it was told.
    static func entries(
        in path: String, atLeast told: Told, _ note: Comment
    ) async throws -> Int {
        try await withStore(path) { store in
            let check = try await store.reader.read { database in
                try String.fetchAll(database, sql: "PRAGMA integrity_check")
            }
            #expect(check == ["ok"], note)
            let names = try store.restore().jobs.map(\.spec.name)
            #expect(Set(told.jobs).isSubset(of: names), note)
            #expect(Set(told.refused).isDisjoint(with: names), note)
            #expect(names.count == Set(names).count, note)
            let rows = try store.tasks(of: JobID(1)).rows
            #expect(rows.map(\.index) == Array(0..<rows.count), note)
            #expect(rows.count >= told.entries, note)
            for row in rows { #expect(row.reason?.hasPrefix("entry \(row.index)") == true, note) }
            #expect(try store.job(JobID(1))?.progress.counts.failed == rows.count, note)
            let ends = try store.events(after: 0, limit: 1000).events.filter {
                $0.kind == .taskEnded
            }.compactMap(\.task)
            #expect(ends == Array(rows.count - ends.count..<rows.count), note)
            #expect(ends.count >= min(rows.count, 4), note)
            return rows.count
        }
    }
}
