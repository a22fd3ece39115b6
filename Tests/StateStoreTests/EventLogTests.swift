import JobModel
import Testing

@testable import StateStore

@Suite("Log of events")
struct EventLogTests {
    private func sent(_ index: Int, of job: JobID) -> StoreWrite {
        var event = EventDraft(.taskSent, at: Timestamp(milliseconds: Int64(index)), job: job)
        event.tasks = index..<index + 1
        event.attempt = 1
        return .event(event)
    }

    @Test("events are read back in order, from any number on, of all jobs or of some")
    func reading() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let (first, second) = (
            try await store.insert("first", tasks: 9), try await store.insert("second", tasks: 9)
        )
        var counts = TaskCounts()
        counts.succeeded = 9
        var end = EventDraft(.jobEnded, at: Timestamp(milliseconds: 0), job: first)
        end.state = "succeeded"
        end.counts = counts
        var range = EventDraft(.taskEnded, at: Timestamp(milliseconds: 0), job: second)
        range.tasks = 3..<7
        try await store.write([sent(0, of: first), sent(1, of: second), .event(range), .event(end)])

        let all = try store.events(after: 0, limit: 100)
        #expect(
            all.events.map(\.kind) == [
                .jobSubmitted, .jobSubmitted, .taskSent, .taskSent, .taskEnded, .jobEnded,
            ])
        #expect(all.events.map(\.sequence) == Array(1...6) && all.end == 6)
        #expect(all.events[4].task == 3 && all.events[4].last == 6)
        #expect(all.events[2].last == nil && all.events[2].time == "1970-01-01T00:00:00.000Z")
        #expect(all.events[5].counts == counts && all.events[0].counts?.queued == 9)

        // The next server goes on behind them.
        let page = try disk.open().events(after: 1, of: [first], limit: 1)
        #expect(page.events.map(\.sequence) == [3] && page.end == 3)
        let rest = try store.events(after: page.end, of: [first], limit: 100)
        #expect(rest.events.map(\.kind) == [.jobEnded] && rest.end == 6)
        #expect(try store.events(after: 6, limit: 100).events.isEmpty)
        #expect(try store.lastEvent() == 6)
    }

    @Test("a repeated key is no second submit")
    func keys() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        for _ in 0..<2 { _ = try await store.add("a", key: "k") }
        #expect(try store.events(after: 0, limit: 9).events.map(\.kind) == [.jobSubmitted])
    }

    @Test("the newest are kept, those of tasks for a shorter time, and a reader learns of the gap")
    func compaction() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let limits = EventLimits(tasks: 50, others: 3, interval: 10)
        let store = try StateStore(path: disk.path, events: limits) { _ in }
        var job = JobID(0)
        for round in 0..<10 {
            job = try await store.insert("job \(round)", tasks: 20)
            for index in 0..<20 { try await store.write([sent(index, of: job)]) }
        }
        // 210 in all. Whatever is more than the limits was written since the last look.
        let kept = try store.events(after: 0, limit: 1000).events
        #expect(kept.first?.kind == .compacted && kept.first?.sequence == 0)
        let tasks = kept.filter { $0.kind == .taskSent }
        #expect(tasks.last?.sequence == 210 && (50...60).contains(tasks.count + 3))
        let horizon = try #require(tasks.first).sequence
        let others = kept.filter { $0.kind == .jobSubmitted && $0.sequence < horizon }
        #expect(others.count == 3)
        #expect(try store.events(after: 209, limit: 9).events.map(\.kind) == [.taskSent])
        // Numbers go on, however much was dropped.
        let next = try StateStore(path: disk.path, events: limits) { _ in }
        _ = try await next.insert("next", tasks: 1)
        #expect(try next.lastEvent() == 211)
    }

    @Test("an event is kept with the rows that it tells of, or neither is")
    func withItsRows() async throws {
        let disk = try Disk()
        defer { disk.remove() }
        let store = try disk.open()
        let job = try await store.insert("full", tasks: 10_000)
        try await store.limitPages(extra: 1)
        let writes = (0..<3000).flatMap { index in
            [
                StoreWrite.marked(
                    TaskID(job: job, index: index), .failed, attempt: 1, failures: 1, memory: nil,
                    reason: "a text that takes some room on the disk"), sent(index, of: job),
            ]
        }
        await withCheckedContinuation { continuation in
            store.write(writes) { continuation.resume() }
            Task {
                // Refused: by then the rows have been tried in vain.
                _ = try? await store.insert("no", tasks: 1)
                #expect(try store.events(after: 0, limit: 9).events.count == 1)
                #expect(try store.tasks(of: job).rows.isEmpty)
                try await store.limitPages(extra: 1_000_000)
            }
        }
        #expect(try store.events(after: 0, limit: 10_000).events.count == 3001)
        #expect(try store.tasks(of: job).rows.count == 3000)
    }
}
