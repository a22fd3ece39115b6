import JobModel
import Testing

@testable import Scheduling

/// A server, its disk, its nodes and the wires between them, driven by one random number after the other. Every step
/// checks what must hold at any moment.
struct FaultRound {
    let seed: UInt64
    var random: SplitMix
    var server = ServerState()
    var disk = SimulatedDisk()
    /// By name.
    var lines: [String: SimulatedLine] = [:]
    let names: [String]
    var drained: [String: Draining] = [:]
    var now = Timestamp(milliseconds: 1_000_000_000_000)
    /// How far the wall clock of the server's machine is ahead of `now`, and how far it was when the server started, which goes
    /// on from there.
    var (wallAhead, startedAhead): (Int64, Int64) = (0, 0)
    /// The disk is full.
    var isHeld = false
    /// Answers whose saving is under way, oldest first.
    var uncommitted: [(writes: [SimulatedDisk.Write], later: [Effect])] = []
    /// What nodes said once, and say again at any time.
    var echoes: [ServerEvent] = []
    var acknowledgedJobs: [JobID: Int] = [:]
    /// Tasks whose success is on disk.
    var settled: Set<TaskID> = []
    /// What tasks themselves could tell: nodes on which an attempt ran to its good end, and tasks of which one did everywhere.
    var ranWell: [AttemptID: Set<String>] = [:]
    var succeeded: Set<TaskID> = []
    var nextJob: Int64 = 1
    var violations: [String] = []

    /// - Parameter count: of nodes; one node is the server's own machine, and has no lease.
    init(seed: UInt64, nodes count: Int = 1) {
        self.seed = seed
        random = SplitMix(seed: seed)
        names = (0..<count).map { "n\($0)" }
        for name in names {
            var node = SimulatedNode(name: name)
            node.lastHeard = now
            if count > 1 {
                // Shorter and longer than a dead link goes unnoticed.
                node.lease = [0, 2000, 10_000, 60_000].randomElement(using: &random) ?? 0
                node.rate = Double.random(in: 0.95...1.05, using: &random)
                node.isBroken = chance(10)
            }
            lines[name] = SimulatedLine(node: node)
        }
        addNodes()
    }

    private mutating func addNodes() {
        for name in names where names.count > 1 {
            var spec = NodeSpec(name: name, destination: name)
            spec.lease = lines[name]?.node.lease
            apply(.nodeAdded(spec))
        }
        for (name, mode) in drained.sorted(by: { $0.key < $1.key }) {
            apply(.nodeDrained(name, reason: "test", mode))
        }
    }

    mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    // MARK: The server

    var serverNow: Timestamp { Timestamp(milliseconds: now.milliseconds + startedAhead) }

    /// Somebody sets the clock, by hours or days; the server hears of it sooner or later.
    mutating func setClock(right: Bool) {
        if !right { wallAhead = Int64.random(in: -86_400_000...86_400_000, using: &random) }
        if right { wallAhead = 0 }
        if right || chance(50) { apply(.clockSet(wallAhead - startedAhead)) }
    }

    mutating func apply(_ event: ServerEvent) {
        // Of every fourth seed, since it plans three times as often.
        let hadPlan = seed.isMultiple(of: 4) && server.wouldStartNothing(serverNow)
        carryOut(server.apply(event, now: serverNow))
        // Where the server saw no use for a plan, one would have found no place either.
        if hadPlan, event.isOfRunningTasks, !server.wouldStartNothing(serverNow) {
            violations.append("a task could have been started after \(event)")
        }
    }

    private mutating func carryOut(_ effects: [Effect]) {
        var writes: [SimulatedDisk.Write] = []
        var later: [Effect] = []
        for effect in effects {
            switch effect {
            case .saveJob(let id): writes.append(.job(server.job(id)!))
            case .saveSpec(let id):
                writes.append(.spec(id, server.job(id)!.spec, server.job(id)!.taskCount))
            case .saveNode(let name, let incarnation): writes.append(.node(name, incarnation))
            case .saveTasks(let changes): writes += changes.map { .task($0) }
            case .fetchImage, .wake, .changed, .notify, .quarantined: break
            default: later.append(effect)
            }
        }
        if !writes.isEmpty || !later.isEmpty { uncommitted.append((writes, later)) }
    }

    mutating func commit() {
        guard !uncommitted.isEmpty, !isHeld else { return }
        let answer = uncommitted.removeFirst()
        for write in answer.writes {
            checkStop(write)
            disk.apply(write)
        }
        for write in answer.writes {
            if case .spec(let id, _, let count) = write { acknowledgedJobs[id] = count }
            if case .task(.ended(let record, .succeeded, _, _)) = write {
                settled.insert(record.attempt.task)
            }
        }
        for effect in answer.later {
            switch effect {
            case .forget(let id): forget(id)
            case .run(let node, let decided, _):
                if decided == lines[node]?.connection { lines[node]?.send(effect) }
            case .cancel(let node, _), .recall(let node, _), .acknowledge(let node, _),
                .pause(let node, _), .resume(let node, _):
                lines[node]?.send(effect)
            default: break
            }
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
        server.load(job, now: serverNow)
    }

    mutating func submit() {
        let id = JobID(nextJob)
        nextJob += 1
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.resources.cpus = Int.random(in: 1...2, using: &random)
        if chance(40) { spec.resources.nodes = Int.random(in: 1...names.count, using: &random) }
        spec.retry.attempts = chance(70) ? 3 : 1
        if chance(30) { spec.limits.parallel = 2 }
        if chance(30) { spec.retry.backoff.initial = 1000 }
        if chance(30) { spec.retry.backoff.jitter = 0.5 }
        addPolicies(&spec)
        var after: [JobDependency] = []
        let count = Int.random(in: 1...(names.count > 1 ? 6 : 30), using: &random)
        if chance(30), let other = disk.jobs.keys.sorted().randomElement(using: &random) {
            let isSameSize = disk.jobs[other]?.new.taskCount == count
            let condition: Dependency.Condition = isSameSize ? .each : chance(50) ? .any : .ok
            after = [JobDependency(condition: condition, job: other)]
            if isSameSize { load(other) }
        }
        if !after.contains(where: { $0.condition == .each }), chance(20) {
            addSampler(&spec, count)
        }
        let job = NewJob(
            id: id, spec: spec, taskCount: count, submitted: serverNow, dependencies: after)
        // The insertion is a commit of its own, and the submit is answered after it.
        disk.jobs[id] = SimulatedDisk.Job(new: job)
        acknowledgedJobs[id] = count
        apply(.submitted(job))
    }

    private mutating func addSampler(_ spec: inout JobSpec, _ count: Int) {
        var sample = SampleSection(method: .external, count: count, seed: 0, space: [])
        sample.sampler = ExternalSampler(command: ["a"], directory: "/", parallel: 3)
        spec.sweep.sample = sample
    }

    /// Samplers give points where they are wanted, and now and then have had enough.
    mutating func sample() {
        for id in server.sampledJobs where chance(30) && server.job(id)?.wantsPoint == true {
            apply(chance(2) ? .pointsOver(id) : .pointGiven(id, server.job(id)?.points ?? 0))
        }
    }

    private mutating func addPolicies(_ spec: inout JobSpec) {
        if chance(30) { spec.retry.timeFactor = 2 }
        if chance(30) { spec.retry.excludeNode = [.exit(1), .nodeLost] }
        if chance(30) { (spec.limits.timeOverMedian, spec.stop.before) = (2, 500) }
        if chance(10) { spec.limits.total = 20_000 }
        if chance(20) { spec.limits.failures = .percent(50) }
        if chance(20) { spec.group = JobGroup(name: "g", parallel: 2) }
        if chance(10) { spec.start = Timestamp(milliseconds: now.milliseconds + 3000) }
        guard chance(40) else { return }
        let method: SearchPolicy.Method = chance(50) ? .asha : .median
        var search = SearchPolicy(method, MetricGoal(name: "loss", direction: .min))
        search.reduction = 2
        search.peers = 1
        if chance(50) { search.max = 5 }
        spec.search = search
    }

    mutating func crashServer() {
        uncommitted = []
        for name in names { cut(name) }
        server = ServerState()
        isHeld = false
        startedAhead = wallAhead
        carryOut(server.restore(disk.restored, nodes: disk.nodes, now: serverNow))
        addNodes()
    }

    mutating func setHeld(_ isFull: Bool) {
        guard isHeld != isFull else { return }
        isHeld = isFull
        apply(isFull ? .held("no room") : .released)
    }

    /// Ends the server with everything on its nodes.
    mutating func stopAll() {
        guard !isHeld else { return }
        for name in names where lines[name]?.state == .up { apply(.nodeStopping(name)) }
        while !uncommitted.isEmpty { commit() }
        for name in names where lines[name]?.state == .up { lines[name]?.node.shutDown() }
        crashServer()
    }

    mutating func drain(_ name: String, _ mode: Draining?) {
        guard names.count > 1 else { return }
        drained[name] = mode
        apply(mode.map { .nodeDrained(name, reason: "test", $0) } ?? .nodeUndrained(name))
    }

    // MARK: The wires

    /// The head notices.
    mutating func cut(_ name: String) {
        let wasOpen = lines[name]?.state != .down
        lines[name]?.close()
        if wasOpen { apply(.nodeDisconnected(name, reason: "cut")) }
    }

    /// So that it is a while until they connect again.
    mutating func breakWire(_ name: String, for milliseconds: Int64) {
        lines[name]?.brokenUntil = Timestamp(milliseconds: now.milliseconds + milliseconds)
        cut(name)
    }

    mutating func connect(_ name: String) {
        guard lines[name]?.state == .down, lines[name]?.brokenUntil ?? now <= now,
            let hello = lines[name]?.node.greet(now)
        else { return }
        lines[name]?.state = .up
        apply(.nodeConnected(name, hello))
        lines[name]?.connection = server.nodes[name]?.connection ?? 0
        checkResources()
    }

    mutating func deliver(_ name: String) {
        guard lines[name]?.state == .up else { return }
        if lines[name]?.toNode.isEmpty == false, chance(50) {
            guard let message = lines[name]?.toNode.removeFirst() else { return }
            lines[name]?.node.receive(message)
            if chance(10) { lines[name]?.node.receive(message) }
        } else if lines[name]?.node.outbox.isEmpty == false {
            guard let event = lines[name]?.node.outbox.removeFirst() else { return }
            apply(event)
            if chance(10) { apply(event) }
            if chance(5) { echoes.append(event) }
        }
    }

    /// Time passes: links are alive or noticed to be dead, and leases end.
    mutating func pass(_ milliseconds: Int64) {
        now = Timestamp(milliseconds: now.milliseconds + milliseconds)
        for name in names {
            lines[name]?.listen(now)
            if lines[name]?.isNoticed(now) == true { cut(name) }
        }
    }

    // MARK: The nodes

    mutating func work(_ name: String, endsSoon: Bool) {
        if chance(60), let dispatch = lines[name]?.node.startNext() { checkStart(dispatch) }
        let still = (lines[name]?.node.paused ?? []).subtracting(lines[name]?.node.stopping ?? [])
        let attempts = (lines[name]?.node.running.keys).map {
            $0.filter { !still.contains($0) }.sorted { $0.task < $1.task }
        }
        if chance(30), let attempt = attempts?.randomElement(using: &random) {
            let loss = Double.random(in: 0...1, using: &random)
            let isNumber = !chance(5)
            lines[name]?.node.reach(attempt, isNumber ? loss : nil)
        }
        guard chance(endsSoon ? 50 : 10), let attempt = attempts?.randomElement(using: &random)
        else { return }
        let wanted = chance(85) ? Ending.code(0) : .code(1)
        guard lines[name]?.node.finish(attempt, wanted) == .code(0) else { return }
        ranWell[attempt, default: []].insert(name)
        let size = disk.jobs[attempt.task.job]?.new.spec.resources.nodes
        if ranWell[attempt]?.count == size { succeeded.insert(attempt.task) }
    }

    /// What a search has decided is neither forgotten nor taken back, and nothing else is called stopped.
    private mutating func checkStop(_ write: SimulatedDisk.Write) {
        guard case .task(let change) = write else { return }
        let (task, state): (TaskID, TaskState)
        switch change {
        case .ended(let record, let end, _, _): (task, state) = (record.attempt.task, end)
        case .marked(let marked, let end, _): (task, state) = (marked, end)
        default: return
        }
        let isDecided = disk.jobs[task.job]?.rows[task.index]?.stopping != nil
        if isDecided, ![.stopped, .succeeded, .cancelled].contains(state) {
            violations.append("\(task) was to be stopped and is \(state)")
        }
        if state == .stopped, !isDecided {
            violations.append("\(task) was stopped before that was on disk")
        }
    }

    private mutating func checkStart(_ dispatch: Dispatch) {
        let task = dispatch.attempt.task
        if settled.contains(task) { violations.append("\(task) succeeded and was run again") }
        let running = Set(lines.values.flatMap(\.node.running.keys).filter { $0.task == task })
        if running.count > 1 { violations.append("\(task) runs twice at once: \(running)") }
        // A later one may be there already, where this one was given up and is still to be told so.
        if let job = disk.jobs[task.job], job.new.spec.sweep.sample != nil, task.index >= job.points
        {
            violations.append("\(task) was sent before its point was on disk")
        }
        let saved = disk.jobs[task.job]?.rows[task.index]?.budget.attempt ?? 0
        if saved < dispatch.attempt.number {
            violations.append("\(dispatch.attempt) was sent before it was on disk")
        }
    }
}

extension ServerState {
    /// Whether another plan would open no lane.
    fileprivate func wouldStartNothing(_ now: Timestamp) -> Bool {
        var other = self
        other.needsPlan = true
        _ = other.apply([], now: now)
        return other.lastLane == lastLane
    }
}
