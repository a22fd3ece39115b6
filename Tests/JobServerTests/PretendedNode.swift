import Foundation
import ImageStore
import JobModel
import NodeLink
import OCISpec
import Synchronization

@testable import JobServer

/// A node's end of the line: keeps what it is told, and says what the test wants.
final class PretendedNode: Sendable {
    private struct State {
        var deliver: (@Sendable (NodeLine.Event) -> Void)?
        var connection = 0
        var told: [ToAgent] = []
        var watchers: [@Sendable () -> Void] = []
    }
    private let state = Mutex(State())

    func open(_ deliver: @escaping @Sendable (NodeLine.Event) -> Void) -> NodeLine {
        state.withLock { $0.deliver = deliver }
        return NodeLine(
            send: { message, connection in
                let watchers = self.state.withLock { state -> [@Sendable () -> Void] in
                    guard connection == state.connection else { return [] }
                    state.told.append(message)
                    defer { state.watchers = [] }
                    return state.watchers
                }
                for watcher in watchers { watcher() }
            }, close: {})
    }

    /// Says hello on a new connection; what was told before is forgotten.
    func connect(
        accepted: [AttemptID] = [], started: [AttemptID] = [], exited: [ExitRecord] = []
    ) {
        let number = state.withLock { state -> Int in
            state.connection += 1
            state.told = []
            return state.connection
        }
        let cpus = NodeInventory.NUMANode(id: 0, cpus: [0, 1], memory: 1 << 30)
        say(
            .connected(
                AgentHello(
                    agentEpoch: "a", launcherEpoch: "l", bootID: "b",
                    inventory: NodeInventory(hostname: "n", numaNodes: [cpus], gpus: []),
                    accepted: accepted, started: started.map(Self.start), exited: exited), number))
    }

    func disconnect() { say(.disconnected("cut")) }
    func start(_ attempts: [AttemptID]) {
        say(.message(.started(attempts.map(Self.start))))
    }
    func end(
        _ attempts: [AttemptID], code: Int32 = 0,
        metrics: [String: Double] = [:]
    ) {
        say(.message(.exited(attempts.map { Self.end($0, code: code, metrics: metrics) })))
    }

    func end(_ record: ExitRecord) { say(.message(.exited([record]))) }

    func reach(_ records: [RungRecord]) { say(.message(.reached(records))) }

    func say(_ output: SessionOutput, in session: Int64) {
        say(.message(.session(session, output)))
    }

    private func say(_ event: NodeLine.Event) { state.withLock { $0.deliver }?(event) }

    static func start(_ attempt: AttemptID) -> StartRecord {
        StartRecord(
            attempt: attempt, started: Timestamp(milliseconds: 1),
            enforcement: Enforcement(cpu: "none", memory: "none", pids: "none"))
    }

    static func end(
        _ attempt: AttemptID, code: Int32 = 0,
        metrics: [String: Double] = [:]
    ) -> ExitRecord {
        // Long enough that nothing is sent ahead.
        var record = ExitRecord(
            attempt: attempt, status: .code(code), ended: Timestamp(milliseconds: 60_000))
        record.started = Timestamp(milliseconds: 1)
        record.metrics = metrics
        return record
    }

    // MARK: What it was told on this connection

    var runs: [String] {
        state.withLock(\.told).flatMap { message -> [String] in
            if case .run(let tasks) = message { tasks.map(\.attempt.description) } else { [] }
        }
    }
    var acknowledged: [String] {
        state.withLock(\.told).flatMap { message -> [String] in
            if case .acknowledge(let ids) = message { ids.map(\.description) } else { [] }
        }
    }
    var cancelled: [String] {
        state.withLock(\.told).flatMap { message -> [String] in
            if case .cancel(let ids) = message { ids.map(\.description) } else { [] }
        }
    }

    var sessions: [Int64] {
        state.withLock(\.told).compactMap { message in
            if case .open(let session, _, _) = message { session } else { nil }
        }
    }
    /// What concerns sessions, in order.
    var order: [String] {
        state.withLock(\.told).flatMap { message -> [String] in
            switch message {
            case .run(let tasks): tasks.map { "run \($0.attempt)" }
            case .open(_, let attempt, _): ["open \(attempt)"]
            case .session(_, .hangUp): ["hang up"]
            default: []
            }
        }
    }

    /// Returns once it was told so much that the condition holds.
    func hears(_ condition: @Sendable (PretendedNode) -> Bool) async {
        while true {
            let count = state.withLock { $0.told.count }
            if condition(self) { return }
            await withCheckedContinuation { continuation in
                let isNews = state.withLock { state -> Bool in
                    guard state.told.count == count else { return true }
                    state.watchers.append { continuation.resume() }
                    return false
                }
                if isNews { continuation.resume() }
            }
        }
    }
}

/// An image store whose answers wait until the test lets them go.
final class PretendedImages: @unchecked Sendable {
    // Everything below is touched under `gate` alone.
    private let gate = NSCondition()
    private var isClosed = false
    private var failure: ImageError?
    private var asked: [String] = []
    private var holders: Set<JobID> = []
    private var released: Set<JobID> = []
    private var removals = 0

    /// Jobs whose image may not be removed.
    var held: Set<JobID> { gate.withLock { holders } }
    /// Has the next image removed before it is held.
    func removeNext() { gate.withLock { removals += 1 } }
    func hold(_ id: JobID) -> Bool {
        gate.withLock {
            removals -= 1
            if removals >= 0 { return false }
            removals = 0
            holders.insert(id)
            return true
        }
    }
    func release(_ id: JobID) {
        gate.withLock {
            holders.remove(id)
            released.insert(id)
        }
    }
    /// Returns once a job's image was released.
    func hasReleased(_ id: JobID) async {
        while !gate.withLock({ released.contains(id) }) { await Task.yield() }
    }
    func holdNone(but jobs: Set<JobID>) { gate.withLock { holders.formIntersection(jobs) } }

    func close() { gate.withLock { isClosed = true } }
    func fail(_ error: ImageError) { gate.withLock { failure = error } }
    func open() {
        gate.withLock { isClosed = false }
        gate.broadcast()
    }
    var fetches: [String] { gate.withLock { asked } }

    func fetch(_ reference: String, _ progress: (PullProgress) -> Void) throws(ImageError)
        -> StoredImage
    {
        gate.lock()
        defer { gate.unlock() }
        asked.append(reference)
        progress(
            PullProgress(
                phase: .pulling, reference: reference,
                layers: [
                    LayerProgress(
                        digest: "sha256:0", phase: .pulling, bytesDone: 1_500_000,
                        bytesTotal: 3_000_000),
                    LayerProgress(digest: "sha256:1", phase: .done, bytesTotal: 0),
                ]))
        while isClosed { gate.wait() }
        if let failure { throw failure }
        return StoredImage(
            reference: reference, digest: "sha256:" + String(repeating: "0", count: 64),
            layers: ["/layer"],
            process: ImageProcess())
    }
}
