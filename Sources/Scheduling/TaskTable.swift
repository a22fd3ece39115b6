import JobModel

/// The states of a job's tasks, a byte each, up to the highest index that was ever touched; all beyond are queued. Counts are
/// kept with every change, never recomputed.
struct TaskTable: Sendable {
    /// What one task's byte says; everything that is known of a task that is neither in flight nor on its second attempt.
    enum Mark: UInt8, Sendable {
        case queued = 0
        /// Given to a node, not known to have started.
        case dispatched, running
        case succeeded, failed, cancelled, lost, stopped

        var state: TaskState {
            switch self {
            case .queued, .dispatched: .queued
            case .running: .running
            case .succeeded: .succeeded
            case .failed: .failed
            case .cancelled: .cancelled
            case .lost: .lost
            case .stopped: .stopped
            }
        }

        init(final state: TaskState) {
            switch state {
            case .queued: self = .queued
            case .running: self = .running
            case .succeeded: self = .succeeded
            case .failed: self = .failed
            case .cancelled: self = .cancelled
            case .lost: self = .lost
            case .stopped: self = .stopped
            }
        }
    }

    private(set) var count: Int
    private(set) var counts = TaskCounts()
    private var bytes: [UInt8] = []
    /// Set in a byte whose task has a row of its own in the database.
    private static let rowBit: UInt8 = 0x80

    init(count: Int) {
        self.count = count
        counts.queued = count
    }

    subscript(index: Int) -> Mark {
        get {
            guard index < bytes.count else { return .queued }
            return Mark(rawValue: bytes[index] & ~Self.rowBit) ?? .queued
        }
        set {
            counts[self[index].state] -= 1
            counts[newValue.state] += 1
            reach(index)
            bytes[index] = bytes[index] & Self.rowBit | newValue.rawValue
        }
    }

    /// More tasks at the end, all of them queued.
    mutating func grow(to size: Int) {
        counts.queued += max(0, size - count)
        count = max(count, size)
    }

    /// All from here on are queued and have no row.
    var untouchedFrom: Int { bytes.count }

    /// Sets many at once.
    mutating func fill(_ range: Range<Int>, _ mark: Mark) {
        let known = min(range.upperBound, max(range.lowerBound, bytes.count))
        for index in range.lowerBound..<known { self[index] = mark }
        guard known < range.upperBound else { return }
        reach(known - 1)
        bytes.append(contentsOf: repeatElement(mark.rawValue, count: range.upperBound - known))
        counts.queued -= range.upperBound - known
        counts[mark.state] += range.upperBound - known
    }

    func hasRow(_ index: Int) -> Bool {
        index < bytes.count && bytes[index] & Self.rowBit != 0
    }

    mutating func setRow(_ index: Int) {
        reach(index)
        bytes[index] |= Self.rowBit
    }

    private mutating func reach(_ index: Int) {
        guard index >= bytes.count else { return }
        bytes.append(contentsOf: repeatElement(0, count: index + 1 - bytes.count))
    }
}
