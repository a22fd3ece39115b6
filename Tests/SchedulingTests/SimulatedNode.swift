import JobModel

@testable import Scheduling

/// A node with an agent and a launcher, each of which may die: what they keep is what the real ones keep.
struct SimulatedNode {
    let name: String
    /// Milliseconds for which it goes on without a word from the head; 0 means for ever.
    var lease: Int64 = 0
    /// How fast its clock runs.
    var rate = 1.0
    var lastHeard = Timestamp(milliseconds: 0)
    /// All that runs here fails.
    var isBroken = false
    var agentEpoch = 1
    var launcherEpoch = 1
    var boot = 1
    /// In the agent's memory alone.
    var queue: [Dispatch] = []
    /// The launcher's children.
    var running: [AttemptID: Dispatch] = [:]
    /// In the launcher's journal until acknowledged.
    var ended: [AttemptID: ExitRecord] = [:]
    /// What the last hello named: a `run` of one that has ended since is its answer, and no wish to run it again.
    var named: Set<AttemptID> = []
    var stopping: Set<AttemptID> = []
    /// Those that stand still.
    var paused: Set<AttemptID> = []
    /// In the metrics files of its tasks, which outlive agents; told until the end is acknowledged.
    var rungs: [AttemptID: [RungRecord]] = [:]
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
                && !named.contains(dispatch.attempt)
            {
                queue.append(dispatch)
            }
        case .cancel(_, let attempts):
            giveBack(attempts, cancelled: true)
            stopping.formUnion(attempts.filter { running[$0] != nil })
        case .recall(_, let attempts): giveBack(attempts, cancelled: false)
        case .pause(_, let attempts): paused.formUnion(attempts.filter { running[$0] != nil })
        case .resume(_, let attempts): paused.subtract(attempts)
        case .acknowledge(_, let attempts):
            for attempt in attempts {
                ended[attempt] = nil
                rungs[attempt] = nil
            }
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
        paused.remove(attempt)
        ended[attempt] = record
        outbox.append(.exited(name, [record]))
    }

    /// Starts the first queued task whose CPUs are free. Returns it.
    mutating func startNext() -> Dispatch? {
        let busy = Set(running.values.flatMap(\.placement.cpus))
        guard
            let place = queue.firstIndex(where: { busy.isDisjoint(with: $0.placement.cpus) })
        else { return nil }
        let dispatch = queue.remove(at: place)
        running[dispatch.attempt] = dispatch
        outbox.append(.started(name, [start(dispatch.attempt)]))
        return dispatch
    }

    /// It comes to its next rung.
    mutating func reach(_ attempt: AttemptID, _ value: Double?) {
        let rung = rungs[attempt]?.count ?? 0
        let record = RungRecord(
            attempt: attempt, rung: rung, step: Double(rung + 1), value: value, mean: value,
            best: value)
        rungs[attempt, default: []].append(record)
        outbox.append(.reached(name, [record]))
    }

    /// How it ended.
    mutating func finish(_ attempt: AttemptID, _ status: Ending) -> Ending {
        let isStopping = stopping.contains(attempt)
        let status = isStopping ? .signal(15) : isBroken ? .code(1) : status
        end(attempt, status) { $0.cancelled = isStopping }
        return status
    }

    /// The head connects: it is told all, and what was said before is void.
    mutating func greet(_ now: Timestamp) -> NodeHello {
        let known = rungs.sorted { $0.key.task < $1.key.task }.flatMap(\.value)
        outbox = known.isEmpty ? [] : [.reached(name, known)]
        lastHeard = now
        let hello = hello
        named = Set(hello.accepted)
        return hello
    }

    /// Ends what the head has given up by then, or will.
    mutating func checkLease(_ now: Timestamp) {
        let silence = Double(now.milliseconds - lastHeard.milliseconds) * rate
        guard lease > 0, silence > Double(lease) else { return }
        for dispatch in queue { end(dispatch.attempt, .lost("its lease is over")) }
        queue = []
        for attempt in running.keys.sorted(by: { $0.task < $1.task }) {
            end(attempt, .lost("its lease is over"))
        }
    }

    // MARK: Deaths

    mutating func restartAgent() {
        agentEpoch += 1
        queue = []
        named = []
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
        rungs = [:]
        stopping = []
        paused = []
    }
}
