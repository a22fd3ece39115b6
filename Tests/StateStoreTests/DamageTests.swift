import FaultyDisk
import Foundation
import GRDB
import JobModel
import Testing

@testable import StateStore

/// Files that are not as a server left them: it starts with what is whole, or says what is wrong; it never takes a wreck for
/// a new database.
@Suite("Damaged databases")
struct DamageTests {
    private static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil

    /// A database as a kill left it, and its journal.
    private struct Remains {
        var database: Data
        var journal: Data

        /// `checkpoints` is how many pages of the journal make an end of it.
        init(checkpoints: Int, isClosed: Bool = false) async throws {
            let folder = try Disk()
            defer { folder.remove() }
            try await ScriptedLife.beginning().write(to: URL(fileURLWithPath: folder.path))
            let life = try ScriptedLife(folder.path, checkpoints: checkpoints)
            await life.live(isLasting: false)
            life.store.close()
            if isClosed {
                try life.store.reader.close()
                try life.store.writer.close()
            }
            database = try Data(contentsOf: URL(fileURLWithPath: folder.path))
            let path = folder.path + "-wal"
            journal = FileManager.default.contents(atPath: path) ?? Data()
        }

        func write(to disk: Disk) throws {
            try database.write(to: URL(fileURLWithPath: disk.path))
            try journal.write(to: URL(fileURLWithPath: disk.path + "-wal"))
        }

        var frames: Int { (journal.count - 32) / 4120 }
    }

    /// What the next server makes of it.
    private func entries(
        in remains: Remains, _ note: Comment, _ look: (Disk) throws -> Void = { _ in }
    ) async throws -> Int {
        let disk = try Disk()
        defer { disk.remove() }
        try remains.write(to: disk)
        let entries = try await ScriptedLife.entries(in: disk.path, atLeast: .init(), note)
        try look(disk)
        return entries
    }

    @Test("of a journal that was cut off, all that was committed before the cut is there")
    func truncatedJournal() async throws {
        let whole = try await Remains(checkpoints: 1000)
        #expect(whole.frames > 50)
        var last = 0
        for frame in stride(from: 0, through: whole.frames, by: Self.isLong ? 1 : 7) {
            for more in [0, 11, 2000] {
                var cut = whole
                cut.journal = whole.journal.prefix(32 + frame * 4120 + more)
                let found = try await entries(in: cut, "cut in frame \(frame), at \(more)")
                #expect(found >= last)
                last = found
            }
        }
        let all = try await entries(in: whole, "whole")
        #expect(all == ScriptedLife.entries)
    }

    @Test("a journal with a wrong bit is read up to there, and kept, and somebody is told")
    func flippedJournal() async throws {
        let whole = try await Remains(checkpoints: 1000)
        var chance = SystemRandomNumberGenerator()
        for frame in stride(from: 0, to: whole.frames - 1, by: Self.isLong ? 1 : 9) {
            // In the frame's header, which a search for commits relies on, and in its page.
            for offset in [
                Int.random(in: 0..<24, using: &chance), Int.random(in: 24..<4120, using: &chance),
            ] {
                var wrong = whole
                wrong.journal[32 + frame * 4120 + offset] ^= 1 << UInt8.random(in: 0..<8)
                try await check(wrong, "frame \(frame), byte \(offset)")
            }
        }
        for byte in stride(from: 0, to: 32, by: Self.isLong ? 1 : 5) {
            var wrong = whole
            wrong.journal[byte] ^= 1 << UInt8.random(in: 0..<8)
            try await check(wrong, "byte \(byte) of the header")
        }
    }

    private func check(_ wrong: Remains, _ note: Comment) async throws {
        let found = try await entries(in: wrong, note) { disk in
            let kept = FileManager.default.contents(atPath: disk.path + "-wal.damaged-1")
            #expect(kept == wrong.journal, note)
        }
        #expect(found < ScriptedLife.entries, note)
        let disk = try Disk()
        defer { disk.remove() }
        try wrong.write(to: disk)
        let store = try disk.open()
        #expect(store.notes.count == 1 && store.notes[0].contains(disk.path), note)
        store.close()
    }

    @Test("a journal as kills leave it is no damage")
    func wholeJournal() async throws {
        for checkpoints in [4, 6, 13, 1000] {
            let disk = try Disk()
            defer { disk.remove() }
            try await Remains(checkpoints: checkpoints).write(to: disk)
            let store = try disk.open()
            #expect(store.notes.isEmpty)
            #expect(try store.tasks(of: JobID(1)).rows.count == ScriptedLife.entries)
            store.close()
        }
    }

    @Test("wrong bits in the database are refused or survived, and never an empty server")
    func flippedDatabase() async throws {
        let whole = try await Remains(checkpoints: 6, isClosed: true)
        var chance = SystemRandomNumberGenerator()
        var refused = 0
        for page in 0..<whole.database.count / 4096 {
            for round in 0..<(Self.isLong ? 300 : 8) {
                // The head of a page says how to read all of it.
                let range = round % 2 == 0 ? 0..<(page == 0 ? 124 : 24) : 0..<4096
                let offset = page * 4096 + Int.random(in: range, using: &chance)
                let bit = UInt8.random(in: 0..<8)
                var wrong = whole
                wrong.database[offset] ^= 1 << bit
                if try isRefused(wrong, "byte \(offset), bit \(bit)") { refused += 1 }
            }
        }
        #expect(refused > 0)
    }

    private func isRefused(_ remains: Remains, _ note: Comment) throws -> Bool {
        let disk = try Disk()
        defer { disk.remove() }
        try remains.write(to: disk)
        do {
            let store = try disk.open()
            defer { store.close() }
            let state = try store.restore()
            #expect(state.jobs.count == 1 + ScriptedLife.submits.count, note)
            for job in state.jobs {
                _ = try store.tasks(of: job.progress.id)
                _ = try store.points(of: job.progress.id)
                _ = try store.rungs(of: job.progress.id)
            }
            _ = try store.events(after: 0, limit: 1000)
            _ = try store.notifications()
            return false
        } catch {
            #expect(error is StoreError, note)
            return true
        }
    }

    @Test("a database of which the half is gone is refused")
    func halfDatabase() async throws {
        let whole = try await Remains(checkpoints: 6, isClosed: true)
        for pages in 1..<whole.database.count / 4096 {
            var half = whole
            half.database = whole.database.prefix(pages * 4096)
            #expect(try isRefused(half, "the first \(pages) pages"))
            half.database = whole.database.prefix(pages * 4096 - 100)
            #expect(try isRefused(half, "not quite \(pages) pages"))
        }
    }

    @Test("the shared memory of the journal is made anew, whatever it was")
    func sharedMemory() async throws {
        let whole = try await Remains(checkpoints: 1000)
        for garbage in [Data(), Data(repeating: 0xA5, count: 32768), Data(count: 3)] {
            let found = try await entries(in: whole, "\(garbage.count)") { _ in }
            #expect(found == ScriptedLife.entries)
            let disk = try Disk()
            defer { disk.remove() }
            try whole.write(to: disk)
            try garbage.write(to: URL(fileURLWithPath: disk.path + "-shm"))
            let again = try await ScriptedLife.entries(in: disk.path, atLeast: .init(), "garbage")
            #expect(again == ScriptedLife.entries)
        }
    }

    private func refusal(_ firstJob: Int64, _ prepare: (Disk) throws -> Void) throws -> StoreError?
    {
        let disk = try Disk()
        defer { disk.remove() }
        try prepare(disk)
        do throws(StoreError) {
            try StateStore(path: disk.path, firstJob: firstJob) { _ in }.close()
            return nil
        } catch { return error }
    }

    @Test("what stands in the database's place is named, and nothing is made of it")
    func misplaced() async throws {
        let whole = try await Remains(checkpoints: 1000)
        let empty = try refusal(2) { disk in
            try Data().write(to: URL(fileURLWithPath: disk.path))
        }
        #expect(empty?.kind == .corrupt && empty?.reason.contains("empty") == true)
        let emptied = try refusal(1) { disk in
            try whole.write(to: disk)
            try Data().write(to: URL(fileURLWithPath: disk.path))
        }
        #expect(emptied?.kind == .corrupt)
        var bytes: Data?
        let gone = try refusal(1) { disk in
            try whole.write(to: disk)
            try FileManager.default.removeItem(atPath: disk.path)
            bytes = FileManager.default.contents(atPath: disk.path + "-wal")
        }
        #expect(gone?.kind == .corrupt && gone?.reason.contains("-wal") == true)
        #expect(bytes == whole.journal)
        #expect(gone?.advice("/s/state.db")?.contains("mv /s/state.db ") == true)
        let folder = try refusal(1) { disk in
            try FileManager.default.createDirectory(
                atPath: disk.path, withIntermediateDirectories: false)
        }
        #expect(folder?.kind == .misplaced && folder?.reason.contains("a directory") == true)
        // A server was killed before it had written anything.
        #expect(try refusal(1) { try Data().write(to: URL(fileURLWithPath: $0.path)) } == nil)
    }

    @Test("a database without some of its jobs is refused")
    func missingJobs() async throws {
        for name in ["first", "before 5", "before 11"] {
            let whole = try await Remains(checkpoints: 6, isClosed: true)
            let refused = try refusal(1) { disk in
                try whole.write(to: disk)
                let queue = try DatabaseQueue(path: disk.path)
                try queue.write { try $0.execute(sql: "DELETE FROM jobs WHERE name = '\(name)'") }
                try queue.close()
            }
            #expect(refused?.kind == .corrupt && refused?.reason.contains("jobs 1 to 5") == true)
        }
    }

    @Test("a new database does not use the numbers of jobs that left their files")
    func numbers() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        var given: [JobID] = []
        for isUsed in [false, true, true] {
            let store = try StateStore(path: disk.path, firstJob: 8) { _ in }
            if isUsed { given.append(try await store.insert("next", tasks: 1)) }
            store.close()
        }
        #expect(given == [JobID(8), JobID(9)])
    }

    @Test(
        "values that no version wrote are refused when they are read",
        arguments: [
            "UPDATE tasks SET state = 77", "UPDATE tasks SET started = -5",
            "UPDATE tasks SET attempt = 'x'", "UPDATE tasks SET started = 'soon'",
            "UPDATE tasks SET ended = 9223372036854775807", "UPDATE jobs SET spec = 'garbage'",
            "UPDATE jobs SET task_count = -1", "UPDATE tasks SET metrics = '{'",
            "UPDATE events SET kind = 50", "INSERT INTO ranges VALUES (NULL, 1, -4, 2, 3)",
            "UPDATE jobs SET submitted = 'never'", "UPDATE tasks SET memory = -9000",
        ])
    func impossibleValues(sql: String) async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("job", tasks: 20)
        try await store.write(Disk.everything(of: job))
        try await store.writer.write { try $0.execute(sql: sql) }
        #expect {
            _ = try store.restore()
            _ = try store.tasks(of: job)
            _ = try store.events(after: 0, limit: 9)
        } throws: {
            ($0 as? StoreError)?.kind == .corrupt
        }
        store.close()
    }
}
