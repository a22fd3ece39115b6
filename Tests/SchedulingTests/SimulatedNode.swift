import JobModel

@testable import Scheduling

/// A node with an agent and a launcher, each of which may die: what they keep is what the real ones keep.
struct SimulatedNode {
    var agentEpoch = 1
    var launcherEpoch = 1
    var boot = 1
    /// In the agent's memory alone.
    var queue: [Dispatch] = []
    /// The launcher's children.
    var running: [AttemptID: Dispatch] = [:]
    /// In the launcher's journal until acknowledged.
    var ended: [AttemptID: ExitRecord] = [:]
    /// Of every attempt that ever ran to its end: what the tasks themselves could tell.
    var truth: [TaskID: [Ending]] = [:]
    var stopping: Set<AttemptID> = []
    var outbox: [ServerEvent] = []

    var hello: NodeHello {
        NodeHello(
            inventory: Cluster.inventory([2, 2]),
            incarnation: NodeIncarnation(
                agentEpoch: "a\(agentEpoch)", launcherEpoch: "l\(launcherEpoch)",
                bootID: "b\(boot)"),
            accepted: queue.map(\.attempt) + running.keys.sorted { $0.task < $1.task },
            started: running.keys.sorted { $0.task < $1.task }.map(start),
            exited: ended.values.sorted { $0.attempt.task < $1.attempt.task })
    }

    func start(_ attempt: AttemptID) -> StartRecord {
        StartRecord(
            attempt: attempt, started: Timestamp(milliseconds: 0),
            enforcement: Enforcement(cpu: "none", memory: "none", pids: "none"))
    }

    mutating func receive(_ effect: Effect) {
        switch effect {
        case .run(_, _, let dispatches):
            for dispatch in dispatches
            where running[dispatch.attempt] == nil && ended[dispatch.attempt] == nil
                && !queue.contains(where: { $0.attempt == dispatch.attempt })
            {
                queue.append(dispatch)
            }
        case .cancel(_, let attempts):
            giveBack(attempts, cancelled: true)
            stopping.formUnion(attempts.filter { running[$0] != nil })
        case .recall(_, let attempts): giveBack(attempts, cancelled: false)
        case .acknowledge(_, let attempts): for attempt in attempts { ended[attempt] = nil }
        default: break
        }
    }

    private mutating func giveBack(_ attempts: [AttemptID], cancelled: Bool) {
        for attempt in attempts where queue.contains(where: { $0.attempt == attempt }) {
            queue.removeAll { $0.attempt == attempt }
            end(attempt, .neverStarted) { $0.cancelled = cancelled }
        }
    }

    mutating func end(
        _ attempt: AttemptID, _ status: Ending,
        _ change: (inout ExitRecord) -> Void = { _ in }
    ) {
        var record = ExitRecord(
            attempt: attempt, status: status, ended: Timestamp(milliseconds: 5))
        record.started = Timestamp(milliseconds: 0)
        change(&record)
        running[attempt] = nil
        stopping.remove(attempt)
        ended[attempt] = record
        outbox.append(.exited("n", [record]))
    }

    /// Starts the first queued task whose CPUs are free. Returns it.
    mutating func startNext() -> Dispatch? {
        let busy = Set(running.values.flatMap(\.placement.cpus))
        guard
            let place = queue.firstIndex(where: { busy.isDisjoint(with: $0.placement.cpus) })
        else { return nil }
        let dispatch = queue.remove(at: place)
        running[dispatch.attempt] = dispatch
        outbox.append(.started("n", [start(dispatch.attempt)]))
        return dispatch
    }

    mutating func finish(_ attempt: AttemptID, _ status: Ending) {
        truth[attempt.task, default: []].append(status)
        let isStopping = stopping.contains(attempt)
        end(attempt, isStopping ? .signal(15) : status) { $0.cancelled = isStopping }
    }

    // MARK: Deaths

    mutating func restartAgent() {
        agentEpoch += 1
        queue = []
        outbox = []
    }

    /// Its containers die with it; the agent, which lives, says so.
    mutating func killLauncher() {
        launcherEpoch += 1
        for attempt in running.keys.sorted(by: { $0.task < $1.task }) {
            end(attempt, .lost("the launcher died"))
        }
    }

    /// Told to end everything: what ran is killed, and both processes go.
    mutating func shutDown() {
        for attempt in running.keys.sorted(by: { $0.task < $1.task }) { end(attempt, .signal(9)) }
        restartAgent()
        launcherEpoch += 1
    }

    /// The run directory is empty afterwards.
    mutating func reboot() {
        restartAgent()
        launcherEpoch += 1
        boot += 1
        running = [:]
        ended = [:]
        stopping = []
    }
}
