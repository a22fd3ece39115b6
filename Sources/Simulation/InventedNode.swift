import DequeModule
import JobModel
import Scheduling

/// What an agent and its launcher do, in virtual time: tasks of one placement run one after the other.
struct InventedNode: Sendable {
    struct Running: Sendable {
        let dispatch: Dispatch
        let started: Timestamp
        var isCancelled = false
    }

    let name: String
    let inventory: NodeInventory
    let failures: NodeFailures?
    /// Counts lives: what was to happen in an earlier one does not.
    var life = 1
    var isUp = true
    var downSince = Timestamp(milliseconds: 0)
    var running: [AttemptID: Running] = [:]
    /// Sent ahead, by the first CPU of their placement.
    var waiting: [Int: Deque<Dispatch>] = [:]

    init(_ node: Scenario.Node) {
        name = node.name
        inventory = node.inventory
        failures = node.failures
    }

    var hello: NodeHello {
        NodeHello(
            inventory: inventory,
            incarnation: NodeIncarnation(
                agentEpoch: "a\(life)", launcherEpoch: "l\(life)", bootID: "b\(life)"),
            accepted: [])
    }

    /// The dispatch, where it can start at once.
    mutating func accept(_ dispatch: Dispatch) -> Dispatch? {
        guard let cpu = dispatch.placement.cpus.first else { return dispatch }
        // An empty queue says that one of the placement runs.
        if waiting[cpu] != nil {
            waiting[cpu]?.append(dispatch)
            return nil
        }
        waiting[cpu] = []
        return dispatch
    }

    mutating func start(_ dispatch: Dispatch, _ now: Timestamp) {
        running[dispatch.attempt] = Running(dispatch: dispatch, started: now)
    }

    /// What ran, and what can start in its place.
    mutating func end(_ attempt: AttemptID) -> (ended: Running, next: Dispatch?)? {
        guard let ended = running.removeValue(forKey: attempt) else { return nil }
        guard let cpu = ended.dispatch.placement.cpus.first else { return (ended, nil) }
        let next = waiting[cpu]?.popFirst()
        if next == nil { waiting[cpu] = nil }
        return (ended, next)
    }

    /// Takes back what has not started; true where it was there.
    mutating func withdraw(_ attempt: AttemptID) -> Bool {
        for (cpu, queue) in waiting {
            guard let place = queue.firstIndex(where: { $0.attempt == attempt }) else { continue }
            waiting[cpu]?.remove(at: place)
            return true
        }
        return false
    }

    mutating func fail(_ now: Timestamp) -> [Running] {
        defer {
            running = [:]
            waiting = [:]
            isUp = false
            downSince = now
            life += 1
        }
        return running.values.sorted { $0.dispatch.attempt.task < $1.dispatch.attempt.task }
    }
}
