internal import JobModel
internal import Scheduling
internal import StateStore

/// Which tasks one answer tells of, ascending by index, and their rows. Made by reading: not on the cooperative pool.
struct TaskPage: Sendable {
    let indexes: [Int]
    let stored: StoredTasks
    /// Where to go on; nil where nothing is left.
    let next: Int?

    /// States that are looked at in one go.
    private static let window = 1 << 16

    /// The first `limit` tasks in the ranges, which ascend, that are in one of the states.
    init(
        of job: JobRecord, _ ranges: [Range<Int>], _ states: Set<TaskState>?, limit: Int,
        _ store: StateStore
    ) throws(StoreError) {
        var indexes: [Int] = []
        for range in ranges where indexes.count < limit {
            if let states {
                try Self.find(states, in: range, of: job, upTo: limit, &indexes, store)
            } else {
                indexes += range.prefix(limit - indexes.count)
            }
        }
        self.indexes = indexes
        stored = try store.tasks(of: job.id, in: IndexRanges.covering(indexes))
        let last = indexes.last ?? .max
        let isMore = indexes.count == limit && ranges.last.map { last < $0.upperBound - 1 } == true
        next = isMore ? last + 1 : nil
    }

    /// The best tasks by the job's goals. Those without metrics come last.
    init(bestOf job: JobRecord, limit: Int, _ store: StateStore) throws(StoreError) {
        var best: [Int] = []
        if !job.spec.metrics.isEmpty {
            best = try store.best(of: job.id, by: job.spec.metrics, limit: limit)
        }
        let known = Set(best)
        best += (0..<job.taskCount).lazy.filter { !known.contains($0) }.prefix(
            max(0, limit - best.count))
        indexes = best.sorted()
        stored = try store.tasks(of: job.id, in: IndexRanges.covering(indexes))
        next = nil
    }

    private static func find(
        _ states: Set<TaskState>, in range: Range<Int>, of job: JobRecord, upTo limit: Int,
        _ indexes: inout [Int], _ store: StateStore
    ) throws(StoreError) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: window) {
            let window = start..<min(start + window, range.upperBound)
            let saved = job.isLoaded ? nil : try store.states(of: job.id, in: window)
            for index in window {
                let state = saved?[index - start] ?? job.state(of: index)
                guard states.contains(state) else { continue }
                indexes.append(index)
                if indexes.count == limit { return }
            }
        }
    }
}

/// Ranges of task indexes.
enum IndexRanges {
    /// The same indexes, from `first` on, in ranges that ascend and do not touch.
    static func ascending(_ ranges: [Range<Int>], from first: Int) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            let lower = max(range.lowerBound, first, result.last?.upperBound ?? 0)
            guard lower < range.upperBound else { continue }
            if let last = result.last, last.upperBound == lower {
                result[result.count - 1] = last.lowerBound..<range.upperBound
            } else {
                result.append(lower..<range.upperBound)
            }
        }
        return result
    }

    /// Ranges that hold these ascending indexes and no other.
    static func covering(_ indexes: [Int]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for index in indexes {
            if let last = result.last, last.upperBound == index {
                result[result.count - 1] = last.lowerBound..<index + 1
            } else {
                result.append(index..<index + 1)
            }
        }
        return result
    }
}
