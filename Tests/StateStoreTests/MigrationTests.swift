import FaultyDisk
import Foundation
import GRDB
import JobModel
import Testing

@testable import StateStore

/// Databases of every earlier version, and of a later one.
@Suite("Migrations")
struct MigrationTests {
    private static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil

    @Test("what every version wrote is read by this one", arguments: 1...OldDatabase.versions.count)
    func everyVersion(version: Int) async throws {
        let disk = try Disk()
        defer { disk.remove() }
        try OldDatabase.make(disk.path, upTo: version)
        try await check(disk.path, version, "")
        // Once more, as it is now.
        try await check(disk.path, version, "again")
    }

    private func check(_ path: String, _ version: Int, _ note: Comment) async throws {
        try await ScriptedLife.withStore(path) { store in
            let state = try store.restore()
            let job = try #require(state.jobs.first, note)
            #expect(job.spec.name == "old" && job.spec.command == ["echo", "{lr}"], note)
            #expect(job.spec.resources.cpus == 2 && job.spec.resources.memory == 1 << 30, note)
            #expect(job.spec.metrics == [MetricGoal(name: "loss", direction: .min)], note)
            #expect(job.spec.network == .host && job.spec.priority == 0, note)
            #expect(job.spec.env == ["A": "b"] && job.spec.retry.attempts == 1, note)
            #expect(
                job.spec.sweep.grid
                    == [.init(name: "lr", values: .range(first: 1, last: 3))], note)
            #expect(job.taskCount == 3 && job.submitted.milliseconds == 1000, note)
            #expect(job.progress.started?.milliseconds == 2000, note)
            #expect(job.progress.counts.succeeded == 1 && job.progress.counts.failed == 1, note)
            #expect(job.progress.counts.queued == 1 && job.progress.decisions.isEmpty, note)
            let tasks = try store.tasks(of: JobID(1))
            #expect(tasks.rows.map(\.state) == [.succeeded, .failed], note)
            #expect(tasks.state(ofUntouched: 2) == .cancelled, note)
            let (good, bad) = (tasks.rows[0], tasks.rows[1])
            #expect(good.metrics == ["loss": 0.5] && good.code == 0 && good.peakMemory == 9, note)
            #expect(
                good.placement
                    == Placement(
                        node: "n", cpus: [0, 5], numaNodes: [1], gpus: ["GPU-1"],
                        gpuShare: version >= 3 ? 250 : nil), note)
            #expect(good.enforcement == Enforcement(cpu: "a", memory: "b", pids: "c"), note)
            #expect(bad.attempt == 2 && bad.failures == 2 && bad.memory == 64, note)
            #expect(bad.reason == "exit code 3" && bad.gang == nil && !bad.isStopping, note)
            #expect(bad.time == (version >= 7 ? 5000 : nil), note)
            #expect(bad.losses == (version >= 7 ? 1 : 0) && bad.timedOut == (version >= 8), note)
            #expect(state.nodes.map(\.launcherEpoch) == ["launcher"], note)
            #expect(state.machines.map(\.destination) == (version >= 4 ? ["anna@m"] : []), note)
            #expect(state.quarantined == (version >= 4 ? ["n": "it failed"] : [:]), note)
            #expect(
                state.closedGPUs == (version >= 9 ? ["n": ["GPU-2": "it failed"]] : [:]), note)
            #expect(try store.rungs(of: JobID(1)).count == (version >= 10 ? 1 : 0), note)
            #expect(try store.notifications().count == (version >= 11 ? 1 : 0), note)
            let kinds = try store.events(after: 0, limit: 9).events.map(\.kind)
            #expect(kinds == (version >= 6 ? [.jobSubmitted, .taskEnded] : []), note)
            #expect(try store.identity().count == 36, note)
            #expect(try await store.add("old", key: "k").id == JobID(1), note)
        }
    }

    @Test("a later version's database is refused by what it has that this one does not know")
    func later() throws {
        let disk = try Disk()
        defer { disk.remove() }
        try OldDatabase.make(disk.path, upTo: OldDatabase.versions.count)
        let queue = try DatabaseQueue(path: disk.path)
        try queue.write { database in
            try database.execute(
                sql: "INSERT INTO grdb_migrations VALUES ('99 wings'); CREATE TABLE wings (a)")
        }
        try queue.close()
        #expect {
            _ = try disk.open()
        } throws: {
            guard let error = $0 as? StoreError else { return false }
            return error.kind == .tooNew && error.reason.contains("\"99 wings\"")
                && error.subject == disk.path && error.hint?.contains("version") == true
        }
    }

    @Test("a migration that is broken off anywhere leaves the old database or the new one")
    func brokenOff() async throws {
        for version in Self.isLong ? [1, 5, 10] : [1] {
            let old = try Disk()
            defer { old.remove() }
            try OldDatabase.make(old.path, upTo: version)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: old.path))
            let calls = try await migrate(bytes, version, .error, at: .max)
            #expect(calls > 10)
            for call in stride(from: 1, through: calls, by: Self.isLong ? 1 : 2) {
                let faults =
                    Self.isLong
                    ? FaultyDisk.Fault.allCases
                    : [FaultyDisk.Fault.allCases[call / 2 % 4]]
                for fault in faults { _ = try await migrate(bytes, version, fault, at: call) }
            }
        }
    }

    private func migrate(
        _ bytes: Data, _ version: Int, _ fault: FaultyDisk.Fault, at call: Int
    ) async throws -> Int {
        let folder = try Disk()
        defer { folder.remove() }
        try bytes.write(to: URL(fileURLWithPath: folder.path))
        let disk = FaultyDisk(folder: folder.folder.path)
        disk.fail(fault, at: call, isLasting: true)
        do {
            // The reader of a store that was opened looks at the new schema.
            try await ScriptedLife.withStore(folder.path) { _ in }
        } catch let error as StoreError {
            #expect(error.subject == folder.path)
            #expect(fault != .full || error.kind == .diskFull || disk.hits > 0)
        } catch is DatabaseError {
            // Of the closing, which makes an end of the journal.
        }
        let calls = disk.calls
        let note = Comment(rawValue: "\(fault) at call \(call) of version \(version)")
        for end in [FaultyDisk.End.killed, .powerCut(seed: nil), .powerCut(seed: UInt64(call))] {
            let other = folder.folder.path + "/left"
            defer { try? FileManager.default.removeItem(atPath: other) }
            try disk.leave(end, in: other)
            try await check(other + "/state.db", version, note)
        }
        // And the same database, when the disk works again.
        disk.release()
        try await check(folder.path, version, note)
        return calls
    }
}
