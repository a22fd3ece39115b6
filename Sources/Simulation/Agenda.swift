import HeapModule
import JobModel
import Scheduling

/// What is to happen, by time, and in the order of entry at the same time.
struct Agenda: Sendable {
    enum Entry: Sendable {
        /// By its place in the scenario.
        case submit(JobID)
        case end(node: Int, life: Int, AttemptID)
        case fail(node: Int)
        case repair(node: Int)
        case tick
    }

    private struct Item: Sendable, Comparable {
        let time: Int64
        let number: Int
        let entry: Entry
        static func < (a: Item, b: Item) -> Bool { (a.time, a.number) < (b.time, b.number) }
        static func == (a: Item, b: Item) -> Bool { a.number == b.number }
    }

    private var items = Heap<Item>()
    private var number = 0
    /// Entries by which work goes on: all but failures.
    private(set) var pending = 0

    mutating func add(_ entry: Entry, at time: Timestamp) {
        number += 1
        items.insert(Item(time: time.milliseconds, number: number, entry: entry))
        if entry.isWork { pending += 1 }
    }

    /// All of the next moment.
    mutating func next() -> (time: Timestamp, entries: [Entry])? {
        guard let first = items.popMin() else { return nil }
        var entries = [first.entry]
        while let more = items.min, more.time == first.time {
            items.removeMin()
            entries.append(more.entry)
        }
        pending -= entries.count { $0.isWork }
        return (Timestamp(milliseconds: first.time), entries)
    }
}

extension Agenda.Entry {
    var isWork: Bool { if case .fail = self { false } else { true } }
}
