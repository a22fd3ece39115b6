import JobModel
import NodeLink

@testable import JobServer

/// What an attempt does on its node, by the milliseconds since its start.
struct WholeWork {
    var length: Int64
    var status = ExitStatus.code(0)
    var outOfMemory = false
    var metrics: [String: Double] = [:]
    /// Values at the rungs of a search, and when it gets there.
    var rungs: [(after: Int64, value: Double)] = []
}

/// A node with its agent and its launcher, whose line to the head may be cut, and which remembers what real ones remember.
///
/// `@unchecked Sendable`: touched by the thread that drives the simulation alone.
final class WholeNode: @unchecked Sendable {
    struct Run {
        let task: RunTask
        let started: Int64
        let work: WholeWork
        var reached = 0
        /// When it ends, where it was told to.
        var stopsAt: Int64?

        /// When something happens to it next.
        var due: Int64 {
            if let stopsAt { return stopsAt }
            if reached < work.rungs.count { return started + work.rungs[reached].after }
            return started + work.length
        }
    }

    let name: String
    private let cpus: Int
    private let work: (_ job: String, RunTask, _ node: String) -> WholeWork
    var agentEpoch = 1
    var launcherEpoch = 1

    private var deliver: (@Sendable (NodeLine.Event) -> Void)?
    private(set) var connection = 0
    private(set) var isConnected = false
    private var names: [JobID: String] = [:]
    private var queue: [RunTask] = []
    private(set) var running: [AttemptID: Run] = [:]
    private var ended: [AttemptID: ExitRecord] = [:]
    private var rungs: [AttemptID: [RungRecord]] = [:]
    /// What the last hello named: a `run` of one that has ended since is its answer, and no wish to run it again.
    private var named: Set<AttemptID> = []
    private var paused: Set<AttemptID> = []
    private var outbox: [FromAgent] = []

    init(
        _ name: String, cpus: Int,
        work: @escaping (_ job: String, RunTask, _ node: String) -> WholeWork
    ) {
        (self.name, self.cpus, self.work) = (name, cpus, work)
    }

    var isIdle: Bool { queue.isEmpty && running.isEmpty && ended.isEmpty }

    /// And not ended.
    var accepted: [AttemptID] {
        queue.map(\.attempt) + running.keys.sorted { $0.task < $1.task }
    }

    // MARK: The line

    /// There is a head that would be told.
    var isAwaited: Bool { deliver != nil && !isConnected }

    func open(_ deliver: @escaping @Sendable (NodeLine.Event) -> Void) {
        self.deliver = deliver
        isConnected = false
    }

    /// The head is gone.
    func loseHead() {
        deliver = nil
        isConnected = false
        outbox = []
    }

    /// The wire breaks, and the head notices.
    func cut() {
        guard isConnected else { return }
        isConnected = false
        outbox = []
        deliver?(.disconnected("cut"))
    }

    func connect(_ now: Int64) {
        connection += 1
        isConnected = true
        let rungs = rungs.sorted { $0.key.task < $1.key.task }.flatMap(\.value)
        outbox = rungs.isEmpty ? [] : [.reached(rungs)]
        let accepted = accepted
        named = Set(accepted)
        let numa = NodeInventory.NUMANode(id: 0, cpus: Array(0..<cpus), memory: 16 << 30)
        var hello = AgentHello(
            agentEpoch: "a\(agentEpoch)", launcherEpoch: "l\(launcherEpoch)", bootID: "b",
            inventory: NodeInventory(hostname: name, numaNodes: [numa], gpus: []),
            accepted: accepted,
            started: running.values.sorted { $0.task.attempt.task < $1.task.attempt.task }
                .map(Self.start),
            exited: ended.values.sorted { $0.attempt.task < $1.attempt.task })
        hello.skills = [AgentSkill.pause]
        deliver?(.connected(hello, connection))
    }

    /// Sends the oldest thing that it has to say; false where it has nothing.
    func say() -> Bool {
        guard isConnected, !outbox.isEmpty else { return false }
        deliver?(.message(outbox.removeFirst()))
        return true
    }

    func receive(_ message: ToAgent, _ now: Int64) {
        switch message {
        case .job(let template): names[template.job] = template.spec.name
        case .run(let tasks):
            for task in tasks where !knows(task.attempt) { queue.append(task) }
        case .cancel(let attempts):
            giveBack(attempts, cancelled: true, now)
            for id in attempts { running[id]?.stopsAt = now + 1000 }
        case .recall(let attempts): giveBack(attempts, cancelled: false, now)
        case .pause(let attempts): paused.formUnion(attempts.filter { running[$0] != nil })
        case .resume(let attempts): paused.subtract(attempts)
        case .acknowledge(let attempts):
            for id in attempts {
                ended[id] = nil
                rungs[id] = nil
            }
        case .shutdown:
            _ = killLauncher(now)
            queue = []
            ended = [:]
            rungs = [:]
            agentEpoch += 1
        default: break
        }
    }

    private func knows(_ id: AttemptID) -> Bool {
        running[id] != nil || ended[id] != nil || named.contains(id)
            || queue.contains { $0.attempt == id }
    }

    private func giveBack(_ attempts: [AttemptID], cancelled: Bool, _ now: Int64) {
        for id in attempts where queue.contains(where: { $0.attempt == id }) {
            queue.removeAll { $0.attempt == id }
            var record = ExitRecord(
                attempt: id, status: .neverStarted, ended: Timestamp(milliseconds: now))
            record.cancelled = cancelled
            end(record)
        }
    }

    private func end(_ record: ExitRecord) {
        ended[record.attempt] = record
        if isConnected { outbox.append(.exited([record])) }
    }

    // MARK: The tasks

    /// Starts the first task whose CPUs are free.
    func startNext(_ now: Int64) -> RunTask? {
        let busy = Set(running.values.flatMap(\.task.placement.cpus))
        guard
            let place = queue.firstIndex(where: {
                names[$0.attempt.task.job] != nil && busy.isDisjoint(with: $0.placement.cpus)
            })
        else { return nil }
        let task = queue.remove(at: place)
        let work = work(names[task.attempt.task.job] ?? "", task, name)
        let run = Run(task: task, started: now, work: work)
        running[task.attempt] = run
        if case .startFailure = work.status {
            finish(run, work.status, now)
        } else if isConnected {
            outbox.append(.started([Self.start(run)]))
        }
        return task
    }

    private static func start(_ run: Run) -> StartRecord {
        StartRecord(
            attempt: run.task.attempt, started: Timestamp(milliseconds: run.started),
            enforcement: Enforcement(cpu: "none", memory: "none", pids: "none"))
    }

    /// When something happens here next.
    var nextDue: Int64? { next?.due }
    private var next: Run? {
        running.values.filter { $0.stopsAt != nil || !paused.contains($0.task.attempt) }
            .min { ($0.due, $0.task.attempt.task) < ($1.due, $1.task.attempt.task) }
    }

    /// It happens. Returns the end, where it is one.
    func happen(_ now: Int64) -> ExitRecord? {
        guard let run = next, run.due <= now else { return nil }
        let id = run.task.attempt
        if run.stopsAt == nil, run.reached < run.work.rungs.count {
            let value = run.work.rungs[run.reached].value
            let record = RungRecord(
                attempt: id, rung: run.reached, step: Double(1 << run.reached), value: value,
                mean: value, best: value)
            rungs[id, default: []].append(record)
            running[id]?.reached += 1
            if isConnected { outbox.append(.reached([record])) }
            return nil
        }
        return finish(run, run.stopsAt == nil ? run.work.status : .signal(15), now)
    }

    @discardableResult
    private func finish(_ run: Run, _ status: ExitStatus, _ now: Int64) -> ExitRecord {
        let id = run.task.attempt
        running[id] = nil
        paused.remove(id)
        var record = ExitRecord(
            attempt: id, status: status, ended: Timestamp(milliseconds: now))
        record.started = Timestamp(milliseconds: run.started)
        record.metrics = run.work.metrics
        record.outOfMemory = run.work.outOfMemory && run.stopsAt == nil
        record.cancelled = run.stopsAt != nil
        end(record)
        return record
    }

    // MARK: Deaths

    /// Another agent takes its place, and knows what the launcher knows.
    func restartAgent() {
        cut()
        agentEpoch += 1
        queue = []
        named = []
    }

    /// Its containers die with it; the agent, which lives, says so.
    func killLauncher(_ now: Int64) -> [AttemptID] {
        launcherEpoch += 1
        let lost = running.keys.sorted { $0.task < $1.task }
        for id in lost {
            running[id] = nil
            paused.remove(id)
            end(
                ExitRecord(
                    attempt: id, status: .lost("the launcher died"),
                    ended: Timestamp(milliseconds: now)))
        }
        return lost
    }
}
