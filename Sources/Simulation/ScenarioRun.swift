import JobModel
import Scheduling

/// One scenario from its first submission until nothing more can happen.
public struct ScenarioRun: Sendable {
    var state = ServerState()
    var nodes: [InventedNode]
    private let places: [String: Int]
    private var jobs: [JobID: Scenario.Job] = [:]
    private var agenda = Agenda()
    private let chance: Chance
    var seed: UInt64 { chance.seed }
    var now = Timestamp(milliseconds: 0)
    /// Told with the next event, as a busy agent does.
    private var starts: [String: [StartRecord]] = [:]
    var meter: Meter
    var timeline: Timeline

    /// The whole of it.
    public static func outcome(of scenario: Scenario) -> ScenarioOutcome {
        var run = ScenarioRun(scenario)
        while run.step() {}
        return ScenarioOutcome(run)
    }

    init(_ scenario: Scenario) {
        nodes = scenario.nodes.sorted { $0.name < $1.name }.map(InventedNode.init)
        places = Dictionary(
            nodes.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { $1 })
        chance = Chance(seed: scenario.seed)
        timeline = Timeline(nodes.map(\.inventory), jobs: scenario.jobs.count)
        meter = Meter(nodes.map(\.inventory))
        let ordered = scenario.jobs.enumerated().sorted {
            ($0.element.submitted, $0.offset) < ($1.element.submitted, $1.offset)
        }
        for (number, job) in ordered.map(\.element).enumerated() {
            let id = JobID(Int64(number + 1))
            jobs[id] = job
            agenda.add(.submit(id), at: Timestamp(milliseconds: job.submitted))
        }
        apply(nodes.map { .nodeConnected($0.name, $0.hello) })
        for place in nodes.indices { planFailure(of: place) }
    }

    /// Goes on to the next moment at which something happens; false where nothing will.
    mutating func step() -> Bool {
        let isDone = state.activeJobs.isEmpty && meter.submitted == jobs.count
        guard !isDone, agenda.pending > 0, let (time, entries) = agenda.next() else { return false }
        meter.advance(
            from: now, to: time, waiting: state.hasReadyTask { $0.cpus > 0 },
            waitingForGPUs: state.hasReadyTask { $0.gpus.count > 0 })
        now = time
        var events = starts.sorted { $0.key < $1.key }.map {
            ServerEvent.started($0.key, $0.value)
        }
        starts = [:]
        for entry in entries { events += happen(entry) }
        apply(events)
        return true
    }

    private mutating func happen(_ entry: Agenda.Entry) -> [ServerEvent] {
        switch entry {
        case .submit(let id): return submit(id)
        case .tick: return [.tick]
        case .end(let place, let life, let attempt):
            guard nodes[place].life == life else { return [] }
            return end(attempt, on: place)
        case .fail(let place): return fail(place)
        case .repair(let place):
            nodes[place].isUp = true
            meter.up(nodes[place].inventory, 1)
            timeline.addDown(place, from: nodes[place].downSince, to: now)
            planFailure(of: place)
            return [.nodeConnected(nodes[place].name, nodes[place].hello)]
        }
    }

    private mutating func submit(_ id: JobID) -> [ServerEvent] {
        guard let job = jobs[id] else { return [] }
        meter.submitted += 1
        var spec = job.spec
        // Nothing is fetched here.
        spec.image = "host"
        let dependencies = spec.after.compactMap { after -> JobDependency? in
            let other = jobs.filter {
                $0.key < id && ($0.value.spec.name == after.job || "\($0.key)" == after.job)
            }.keys.max()
            return other.map { JobDependency(condition: after.condition, job: $0) }
        }
        // Its times are its own.
        spec.start = nil
        return [
            .submitted(
                NewJob(
                    id: id, spec: spec, taskCount: job.taskCount, submitted: now,
                    dependencies: dependencies))
        ]
    }
}

// MARK: Nodes

extension ScenarioRun {
    private mutating func apply(_ events: [ServerEvent]) {
        var events = events
        repeat {
            let effects = state.apply(events, now: now)
            events = effects.flatMap { carryOut($0) }
        } while !events.isEmpty
    }

    private mutating func carryOut(_ effect: Effect) -> [ServerEvent] {
        switch effect {
        case .run(let node, _, let dispatches):
            guard let place = places[node], nodes[place].isUp else { return [] }
            for dispatch in dispatches {
                if let first = nodes[place].accept(dispatch) { start(first, on: place) }
            }
            return []
        case .wake(let time):
            agenda.add(.tick, at: max(time, now))
            return []
        case .cancel(let node, let attempts):
            return attempts.flatMap { withdraw($0, from: node, isCancelled: true) }
        case .recall(let node, let attempts):
            return attempts.flatMap { withdraw($0, from: node, isCancelled: false) }
        default: return []
        }
    }

    private mutating func start(_ dispatch: Dispatch, on place: Int) {
        nodes[place].start(dispatch, now)
        meter.start(dispatch, submitted: state.job(dispatch.attempt.task.job)?.submitted, now)
        starts[nodes[place].name, default: []].append(
            StartRecord(attempt: dispatch.attempt, started: now, enforcement: Self.unenforced))
        guard let job = jobs[dispatch.attempt.task.job] else { return }
        let task = dispatch.attempt.task
        var duration = job.duration.value(
            at: chance.unit(UInt64(bitPattern: task.job.rawValue), UInt64(task.index)))
        if let limit = dispatch.time ?? job.spec.limits.time { duration = min(duration, limit) }
        agenda.add(
            .end(node: place, life: nodes[place].life, dispatch.attempt),
            at: Timestamp(milliseconds: now.milliseconds + duration))
    }

    private mutating func end(_ attempt: AttemptID, on place: Int) -> [ServerEvent] {
        guard let (ended, next) = nodes[place].end(attempt) else { return [] }
        note(ended, on: place)
        if let next { start(next, on: place) }
        var record = ExitRecord(attempt: attempt, status: .code(0), ended: now)
        record.started = ended.started
        if let limit = ended.dispatch.time ?? jobs[attempt.task.job]?.spec.limits.time,
            now.milliseconds - ended.started.milliseconds >= limit
        {
            record.status = .signal(9)
            record.timedOut = true
        }
        return [.exited(nodes[place].name, [record])]
    }

    private mutating func withdraw(_ attempt: AttemptID, from node: String, isCancelled: Bool)
        -> [ServerEvent]
    {
        guard let place = places[node], nodes[place].isUp else { return [] }
        var record = ExitRecord(attempt: attempt, status: .neverStarted, ended: now)
        record.cancelled = isCancelled
        if nodes[place].withdraw(attempt) { return [.exited(node, [record])] }
        guard isCancelled, let (ended, next) = nodes[place].end(attempt) else { return [] }
        note(ended, on: place)
        if let next { start(next, on: place) }
        record.status = .signal(15)
        record.started = ended.started
        return [.exited(node, [record])]
    }

    private mutating func note(_ ended: InventedNode.Running, on place: Int) {
        meter.end(ended.dispatch, from: ended.started, to: now)
        timeline.add(ended.dispatch, on: place, from: ended.started, to: now)
    }

    private mutating func fail(_ place: Int) -> [ServerEvent] {
        guard nodes[place].isUp else { return [] }
        for lost in nodes[place].fail(now) {
            note(lost, on: place)
            meter.lost += 1
        }
        meter.up(nodes[place].inventory, -1)
        meter.nodeFailures += 1
        if let repair = nodes[place].failures?.meanRepair {
            let time = chance.exponential(repair, failureKey(place), UInt64(nodes[place].life))
            agenda.add(
                .repair(node: place), at: Timestamp(milliseconds: now.milliseconds + time))
        }
        return [.nodeDisconnected(nodes[place].name, reason: "it failed")]
    }

    private mutating func planFailure(of place: Int) {
        guard let mean = nodes[place].failures?.meanBetween else { return }
        let time = chance.exponential(mean, failureKey(place), UInt64(nodes[place].life) << 32)
        agenda.add(.fail(node: place), at: Timestamp(milliseconds: now.milliseconds + time))
    }

    /// Of the name, so that a node's fate does not depend on the others.
    private func failureKey(_ place: Int) -> UInt64 {
        nodes[place].name.utf8.reduce(1 << 63) { SplitMix.mix($0 &+ UInt64($1)) }
    }

    private static var unenforced: Enforcement {
        Enforcement(cpu: "none", memory: "none", pids: "none")
    }
}
