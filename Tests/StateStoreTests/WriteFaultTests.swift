import FaultyDisk
import Foundation
import JobModel
import Testing

@testable import StateStore

/// Each call that the store makes of its disk goes wrong, in every way.
@Suite("Faults of the disk")
struct WriteFaultTests {
    private static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil

    /// What goes wrong in one life.
    private struct Case {
        var fault: FaultyDisk.Fault
        var isLasting: Bool
    }

    private static let cases = FaultyDisk.Fault.allCases.flatMap { fault in
        [Case(fault: fault, isLasting: false), Case(fault: fault, isLasting: true)]
    }

    @Test(
        "whatever the disk does, what was told is kept, nothing is kept in half, and work goes on")
    func everyCall() async throws {
        let beginning = try await ScriptedLife.beginning()
        let calls = try await live(beginning, .init(fault: .error, isLasting: false), at: .max)
        #expect(calls > 60)
        for call in stride(from: 1, through: calls, by: Self.isLong ? 1 : 4) {
            // All ways of every call, or of some calls all ways in turn.
            let cases =
                Self.isLong ? Self.cases : [Self.cases[call / 4 % Self.cases.count]]
            for each in cases { _ = try await live(beginning, each, at: call) }
        }
    }

    /// One life, and what is found after it; returns how many calls could have failed.
    private func live(_ beginning: Data, _ each: Case, at call: Int) async throws -> Int {
        let folder = try Disk()
        defer { folder.remove() }
        try beginning.write(to: URL(fileURLWithPath: folder.path))
        let disk = FaultyDisk(folder: folder.folder.path)
        let life = try ScriptedLife(folder.path)
        let note = Comment(rawValue: "\(each) at call \(call)")
        disk.fail(each.fault, at: call, isLasting: each.isLasting)
        await life.live(isLasting: each.isLasting)
        let calls = disk.calls
        let ends: [FaultyDisk.End] = [
            .killed, .powerCut(seed: nil), .powerCut(seed: UInt64(call)),
        ]
        if each.isLasting {
            for end in ends { _ = try await look(disk, life, end, folder, note) }
        }
        disk.release()
        await life.settle()
        for end in ends {
            let entries = try await look(disk, life, end, folder, note)
            #expect(entries == ScriptedLife.entries, note)
        }
        life.store.close()
        return calls
    }

    private func look(
        _ disk: FaultyDisk, _ life: ScriptedLife, _ end: FaultyDisk.End, _ folder: Disk,
        _ note: Comment
    ) async throws -> Int {
        let told = life.sofar
        let other = folder.folder.path + "/left"
        defer { try? FileManager.default.removeItem(atPath: other) }
        try disk.leave(end, in: other)
        return try await ScriptedLife.entries(
            in: other + "/state.db", atLeast: told, "\(note.rawValue), \(end)")
    }

    @Test("a submit that was refused does not come back after a crash")
    func refusedForGood() async throws {
        let beginning = try await ScriptedLife.beginning()
        for fault in [FaultyDisk.Fault.lost, .error] {
            let folder = try Disk()
            defer { folder.remove() }
            try beginning.write(to: URL(fileURLWithPath: folder.path))
            let disk = FaultyDisk(folder: folder.folder.path)
            let store = try folder.open()
            // Its last call is the sync, when all of it stands in the journal.
            disk.fail(.error, at: .max, isLasting: false)
            _ = try await store.insert("counted", tasks: 1)
            disk.fail(fault, at: disk.calls, isLasting: false)
            await #expect(throws: StoreError.self) {
                try await store.insert("refused", tasks: 1)
            }
            #expect(disk.hits == 1)
            let other = folder.folder.path + "/left"
            try disk.leave(.killed, in: other)
            let names = try await ScriptedLife.withStore(other + "/state.db") { store in
                try store.restore().jobs.map(\.spec.name)
            }
            #expect(names == ["first", "counted"])
            // Nothing waits to be written, and the disk works again.
            _ = try await store.insert("later", tasks: 1)
            store.close()
        }
    }

    @Test("a store that only refused submits finds out by itself that it can write again")
    func probes() async throws {
        let folder = try Disk()
        defer { folder.remove() }
        try await ScriptedLife.beginning().write(to: URL(fileURLWithPath: folder.path))
        let disk = FaultyDisk(folder: folder.folder.path)
        let (conditions, told) = AsyncStream<StateStore.Condition>.makeStream()
        let store = try StateStore(path: folder.path, mode: .wal, patience: 0.001) {
            told.yield($0)
        }
        disk.fail(.full, at: 1, isLasting: true)
        await #expect {
            try await store.insert("no", tasks: 1)
        } throws: {
            ($0 as? StoreError)?.kind == .diskFull
        }
        disk.release()
        var seen: [String] = []
        for await condition in conditions {
            if case .released = condition { break }
            seen.append("held")
        }
        #expect(seen == ["held"])
        store.close()
    }
}
