import Foundation
import LinuxSystem

@testable import JobServer

/// The one thread on which all of a server runs, and its time: work is done when `drain` is called, in the order in which it came, and
/// time passes when `pass` is called.
///
/// The store's writing thread alone is the kernel's: before each piece of work all that was given to it is waited for, so
/// that it makes no difference when it works.
/// `@unchecked Sendable`: everything below is touched under `gate` alone.
final class WholeThread: TaskExecutor, @unchecked Sendable {
    private struct Sleeper {
        let due: Int64
        let life: Int
        let continuation: CheckedContinuation<Void, any Error>
    }
    private let gate = NSCondition()
    private var jobs: [UnownedJob] = []
    /// Given to the store and not on disk; and what follows from those that are.
    private var saves = 0
    private var saved: [@Sendable () -> Void] = []
    /// Milliseconds since 1970.
    static let start: Int64 = 1_700_000_000_000
    private var time = start
    private var sleepers: [Int: Sleeper] = [:]
    private var lastSleeper = 0
    private var cancelled: Set<Int> = []
    private var ended: Set<Int> = []

    var now: Int64 { gate.withLock { time } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        gate.withLock { jobs.append(job) }
    }

    func beginSave() { gate.withLock { saves += 1 } }
    /// On the store's own thread: what follows is done by the driving one.
    func endSave(_ then: @escaping @Sendable () -> Void) {
        gate.withLock {
            saves -= 1
            saved.append(then)
        }
        gate.broadcast()
    }

    private func awaitSaves() {
        gate.lock()
        while saves > 0 { gate.wait() }
        gate.unlock()
    }

    /// Does all that is to be done now.
    func drain() {
        while true {
            awaitSaves()
            for follow in gate.withLock({ takeSaved() }) { follow() }
            guard let job = gate.withLock({ jobs.isEmpty ? nil : jobs.removeFirst() }) else {
                return
            }
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    private func takeSaved() -> [@Sendable () -> Void] {
        defer { saved = [] }
        return saved
    }

    /// What a server of that number is given in the kernel's place.
    func pace(life: Int) -> ServerPace {
        var pace = ServerPace { work in Task(executorPreference: self) { await work() } }
        pace.wall = { self.now }
        pace.sinceBoot = { self.now }
        pace.sleep = { try await self.sleep($0, life) }
        pace.block = { body throws(SystemError) in
            self.awaitSaves()
            body()
        }
        return pace
    }

    // MARK: Time

    private func sleep(_ milliseconds: Int64, _ life: Int) async throws {
        let id = gate.withLock {
            lastSleeper += 1
            return lastSleeper
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = gate.withLock {
                    let isOver = cancelled.remove(id) != nil || ended.contains(life)
                    if !isOver {
                        sleepers[id] = Sleeper(
                            due: time + max(0, milliseconds), life: life,
                            continuation: continuation)
                    }
                    return isOver
                }
                if isOver { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = gate.withLock {
                let sleeper = sleepers.removeValue(forKey: id)
                if sleeper == nil { cancelled.insert(id) }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// When the next one wakes; nil where nobody sleeps.
    var nextDue: Int64? { gate.withLock { sleepers.values.map(\.due).min() } }

    /// Wakes whoever is due, and does what follows.
    func pass(to moment: Int64) {
        let due = gate.withLock {
            time = max(time, moment)
            let due = sleepers.filter { $0.value.due <= time }.sorted {
                ($0.value.due, $0.key) < ($1.value.due, $1.key)
            }
            for (id, _) in due { sleepers[id] = nil }
            return due.map(\.value)
        }
        for sleeper in due { sleeper.continuation.resume() }
        drain()
    }

    /// Nobody of that server sleeps any more.
    func end(life: Int) {
        let its = gate.withLock {
            ended.insert(life)
            let its = sleepers.filter { $0.value.life == life }.sorted { $0.key < $1.key }
            for (id, _) in its { sleepers[id] = nil }
            return its.map(\.value)
        }
        for sleeper in its { sleeper.continuation.resume(throwing: CancellationError()) }
        drain()
    }
}
