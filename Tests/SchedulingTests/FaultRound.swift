import JobModel
import Testing

@testable import Scheduling

/// A server, its disk, its node and the wire between them, driven by one random number after the other. Every step
/// checks what must hold at any moment.
struct FaultRound {
    var random: SplitMix
    var server = ServerState()
    var disk = SimulatedDisk()
    var node = SimulatedNode()
    var now = Timestamp(milliseconds: 1_000_000)
    var isConnected = false
    /// The disk is full.
    var isHeld = false
    var connection = 0
    /// Answers whose saving is under way, oldest first.
    var uncommitted: [(writes: [SimulatedDisk.Write], later: [Effect])] = []
    var toNode: [Effect] = []
    var acknowledgedJobs: [JobID: Int] = [:]
    /// Tasks whose success is on disk.
    var settled: Set<TaskID> = []
    var nextJob: Int64 = 1
    var violations: [String] = []

    init(seed: UInt64) { random = SplitMix(seed: seed) }

    mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    // MARK: The server

    mutating func apply(_ event: ServerEvent) {
        let effects = server.apply(event, now: now)
        carryOut(effects)
    }

    private mutating func carryOut(_ effects: [Effect]) {
        var writes: [SimulatedDisk.Write] = []
        var later: [Effect] = []
        for effect in effects {
            switch effect {
            case .saveJob(let id): writes.append(.job(server.job(id)!))
            case .saveNode(let name, let incarnation): writes.append(.node(name, incarnation))
            case .saveTasks(let changes): writes += changes.map { .task($0) }
            case .fetchImage, .wake, .changed, .notify: break
            default: later.append(effect)
            }
        }
        if !writes.isEmpty || !later.isEmpty { uncommitted.append((writes, later)) }
    }

    mutating func commit() {
        guard !uncommitted.isEmpty, !isHeld else { return }
        let answer = uncommitted.removeFirst()
        for write in answer.writes { disk.apply(write) }
        for write in answer.writes {
            if case .task(.ended(let record, .succeeded, _, _)) = write {
                settled.insert(record.attempt.task)
            }
        }
        for case .forget(let id) in answer.later { forget(id) }
        guard isConnected else { return }
        for effect in answer.later {
            if case .forget = effect { continue }
            if case .run(_, let decided, _) = effect, decided != connection { continue }
            toNode.append(effect)
        }
    }

    private mutating func forget(_ id: JobID) {
        guard let job = server.job(id), job.isFinal else { return }
        server.unload(id)
        for dependency in job.dependencies { server.unload(dependency.job) }
    }

    /// As a real server does before it needs the tasks of an ended job.
    mutating func load(_ id: JobID) {
        guard server.job(id)?.isLoaded == false, let job = disk.whole(id) else { return }
        server.load(job, now: now)
    }

    mutating func submit() {
        let id = JobID(nextJob)
        nextJob += 1
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.resources.cpus = Int.random(in: 1...2, using: &random)
        spec.retry.attempts = chance(70) ? 3 : 1
        if chance(30) { spec.limits.parallel = 2 }
        if chance(30) { spec.retry.backoff.initial = 1000 }
        var after: [JobDependency] = []
        let count = Int.random(in: 1...30, using: &random)
        if chance(30), let other = disk.jobs.keys.sorted().randomElement(using: &random) {
            let isSameSize = disk.jobs[other]?.new.taskCount == count
            let condition: Dependency.Condition = isSameSize ? .each : chance(50) ? .any : .ok
            after = [JobDependency(condition: condition, job: other)]
            if isSameSize { load(other) }
        }
        let job = NewJob(
            id: id, spec: spec, taskCount: count, submitted: now, dependencies: after)
        // The insertion is a commit of its own, and the submit is answered after it.
        disk.jobs[id] = SimulatedDisk.Job(new: job)
        acknowledgedJobs[id] = count
        apply(.submitted(job))
    }

    mutating func crashServer() {
        uncommitted = []
        cut()
        server = ServerState()
        isHeld = false
        carryOut(server.restore(disk.restored, nodes: disk.nodes, now: now))
    }

    mutating func setHeld(_ isFull: Bool) {
        guard isHeld != isFull else { return }
        isHeld = isFull
        apply(isFull ? .held("no room") : .released)
    }

    /// Ends the server with everything on its node.
    mutating func stopAll() {
        guard isConnected, !isHeld else { return }
        apply(.nodeStopping("n"))
        while !uncommitted.isEmpty { commit() }
        node.shutDown()
        crashServer()
    }

    // MARK: The wire

    mutating func cut() {
        toNode = []
        node.outbox = []
        if isConnected { apply(.nodeDisconnected("n", reason: "cut")) }
        isConnected = false
    }

    mutating func connect() {
        guard !isConnected else { return }
        isConnected = true
        node.outbox = []
        apply(.nodeConnected("n", node.hello))
        connection = server.nodes["n"]?.connection ?? 0
    }

    mutating func deliver() {
        if !toNode.isEmpty, chance(50) {
            let message = toNode.removeFirst()
            node.receive(message)
            if chance(10) { node.receive(message) }
        } else if !node.outbox.isEmpty, isConnected {
            let event = node.outbox.removeFirst()
            apply(event)
            if chance(10) { apply(event) }
        }
    }

    // MARK: The node

    mutating func work() {
        if chance(60), let dispatch = node.startNext() { checkStart(dispatch) }
        let attempts = node.running.keys.sorted { $0.task < $1.task }
        if chance(50), let attempt = attempts.randomElement(using: &random) {
            node.finish(attempt, chance(85) ? .code(0) : .code(1))
        }
    }

    private mutating func checkStart(_ dispatch: Dispatch) {
        let task = dispatch.attempt.task
        if settled.contains(task) { violations.append("\(task) succeeded and was run again") }
        if node.running.keys.filter({ $0.task == task }).count > 1 {
            violations.append("\(task) runs twice at once")
        }
        // A later one may be there already, where this one was given up and is still to be told so.
        let saved = disk.jobs[task.job]?.rows[task.index]?.budget.attempt ?? 0
        if saved < dispatch.attempt.number {
            violations.append("\(dispatch.attempt) was sent before it was on disk")
        }
    }
}
