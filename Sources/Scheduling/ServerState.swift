import DequeModule
public import JobModel

/// All that the server knows, changed by events alone. The same events at the same times give the same effects.
///
/// `apply` is a table of contents; each kind of event has its own file.
public struct ServerState: Sendable {
    /// A node as the server knows it.
    struct Node: Sendable {
        var inventory: NodeInventory
        var incarnation: NodeIncarnation?
        var isConnected = false
        /// Counts connections: what was meant for an earlier one is void.
        var connection = 0
        /// Why it takes no work, by its own word or because it is being stopped.
        var heldReason: String?
        /// What a person named it and said of it; nil for the machine of the server.
        var spec: NodeSpec?
        var drain: Drain?
        var health = NodeHealth()
        /// By GPU, those on which the last task failed at once; and why some get no work.
        var gpuHealth: [String: NodeHealth] = [:]
        var closedGPUs: [String: String] = [:]
        /// Nil while it is connected.
        var silentSince: Timestamp?
        var lanes: Set<LaneID> = []

        struct Drain: Sendable {
            let reason: String
            let mode: Draining
        }
    }

    /// A task that waits for its time.
    struct Delayed: Sendable {
        var due: Timestamp
        var task: TaskID
    }

    var jobs: [JobID: JobRecord] = [:]
    /// Those that have not ended, in the order in which they are served.
    var active: [JobID] = [] { didSet { known = nil } }
    /// `timely`, as long as it holds.
    private var known: [JobID]?
    /// Something has changed that a plan could make use of.
    var needsPlan = true
    /// Some job that waits has room reserved.
    var keepsRoom = false
    var nodes: [String: Node] = [:]
    /// What is free of the nodes.
    var pool = NodePool()
    /// Of all nodes that are known.
    var capacity = Usage()
    var lanes: [LaneID: Lane] = [:]
    var lastLane = 0
    /// Jobs that wait for the key to end (`ok`, `any`) or for its tasks (`each`).
    var dependents: [JobID: [JobID]] = [:]
    /// Earliest last.
    var delayed: [Delayed] = []
    /// Jobs whose image is tried again at a time.
    var imageRetries: [JobID: Timestamp] = [:]
    /// When the tasks of silent nodes are given up.
    var leases: [String: Timestamp] = [:]
    /// When to ask for tasks back that wait behind long ones while others idle.
    var rebalanceAt: Timestamp?
    public internal(set) var heldReason: String?
    var outbox = Outbox()
    private var announcedWake: Timestamp?
    /// Milliseconds that the wall clock is ahead of `now`: only what a person gave as a time of day goes by it.
    var wallAhead: Int64 = 0

    public init() {}

    /// Applies events in their order, then plans once for all of them where that can be of use.
    public mutating func apply(_ events: [ServerEvent], now: Timestamp) -> [Effect] {
        for event in events {
            // Who may pass where room is kept depends on the time and on how long tasks take.
            if keepsRoom { needsPlan = true }
            if !event.isOfRunningTasks { (needsPlan, known) = (true, nil) }
            apply(event, now)
        }
        if known == nil { known = timely }
        beginDue(now)
        // One that met entries of tasks that are not queued any more leaves room, and the next one will not meet them.
        for _ in 0..<Self.mostPlans where needsPlan {
            needsPlan = false
            dispatch(now)
        }
        return takeEffects()
    }

    private static let mostPlans = 4

    /// Active jobs with something that begins or ends at a time, or that is counted over several: of many jobs few, which are
    /// looked at with every event.
    var timely: [JobID] {
        known
            ?? active.filter { id in
                guard let place = jobs.index(forKey: id) else { return false }
                return jobs.values[place].waitsUntil != nil || !jobs.values[place].excluded.isEmpty
                    || jobs.values[place].spec.group != nil
                    || jobs.values[place].spec.limits.total != nil
                    || jobs.values[place].spec.limits.timeOverMedian != nil
                    || jobs.values[place].isSampled
            }
    }

    public mutating func apply(_ event: ServerEvent, now: Timestamp) -> [Effect] {
        apply([event], now: now)
    }

    private mutating func apply(_ event: ServerEvent, _ now: Timestamp) {
        switch event {
        case .submitted(let job): submit(job, now)
        case .imageReady(let job, let digest): imageReady(job, digest)
        case .imageFailed(let job, let reason, let failure):
            imageFailed(job, reason, failure, now)
        case .jobFailed(let job, let reason): fail(job, reason, now)
        case .nodeAdded(let spec): add(spec)
        case .nodeConnected(let node, let hello): connect(node, hello, now)
        case .nodeDisconnected(let node, _): disconnect(node, now)
        case .nodeHeld(let node, let reason): hold(node, reason)
        case .nodeStopping(let node): stop(node, now)
        case .nodeDrained(let node, let reason, let mode): drain(node, reason, mode)
        case .nodeQuarantined(let node, let reason): quarantine(node, reason)
        case .gpuQuarantined(let node, let gpu, let reason): closeGPU(gpu, of: node, reason)
        case .nodeUndrained(let node): undrain(node)
        case .nodeRemoved(let node): remove(node, now)
        case .started(let node, let records):
            for record in records { start(record, on: node, now) }
        case .exited(let node, let records): for record in records { end(record, on: node, now) }
        case .reached(let node, let records):
            for record in records { reach(record, on: node) }
        case .pointGiven(let job, let index): takePoint(index, of: job)
        case .pointsOver(let job): endPoints(of: job, now)
        case .jobExcluded(let job, let node, let reason, let until):
            exclude(job, from: node, reason, until)
        case .jobNoted(let job, let text): note(text, of: job)
        case .cancelRequested(let selection): cancel(selection, now)
        case .jobSet(let job, let settings): set(job, settings, now)
        case .jobRenewed(let job, let spec, let count, let dropped):
            renew(job, spec, count: count, dropped: dropped, now)
        case .jobSteered(let job, .hold): hold(job, .held, now)
        case .jobSteered(let job, .pause): hold(job, .paused, now)
        case .jobSteered(let job, .release): release(job, now)
        case .retryRequested(let selection, let states): retry(selection, states, now)
        case .held(let reason): hold(reason)
        case .released: hold(nil)
        case .clockSet(let ahead): wallAhead = ahead
        case .tick: tick(now)
        }
    }

    /// Effects in the promised order, with the next wake-up where it is another one.
    mutating func takeEffects() -> [Effect] {
        let deadlines = [
            delayed.last?.due, imageRetries.values.min(), leases.values.min(), rebalanceAt,
            nextReadmission, nextOverdue(), nextStart,
        ]
        let wake = deadlines.compactMap { $0 }.min()
        if wake != announcedWake {
            announcedWake = wake
            if let wake { outbox.later.append(.wake(wake)) }
        }
        return outbox.take()
    }

    private mutating func hold(_ reason: String?) {
        guard heldReason != reason else { return }
        heldReason = reason
        for job in active { outbox.changed.insert(job) }
    }

    private mutating func tick(_ now: Timestamp) {
        // A timer may ring early (clocks differ over a suspend): whatever is still due asks for another.
        announcedWake = nil
        while let next = delayed.last, next.due <= now {
            delayed.removeLast()
            makeReady(next.task)
        }
        for (job, due) in imageRetries.sorted(by: { $0.key < $1.key }) where due <= now {
            imageRetries[job] = nil
            outbox.later.append(.fetchImage(job))
        }
        readmit(now)
        endLeases(now)
        endOverdue(now)
        beginDue(now)
        if let due = rebalanceAt, due <= now {
            rebalanceAt = nil
            recallStuck(now)
        }
    }
}

/// Effects of one answer, gathered by kind, so that many records become few messages.
struct Outbox: Sendable {
    var tasks: [TaskChange] = []
    var jobs: Set<JobID> = []
    var specs: Set<JobID> = []
    var nodes: [(String, NodeIncarnation)] = []
    var removed: [String] = []
    var acknowledged: [String: [AttemptID]] = [:]
    var dispatches: [String: [Dispatch]] = [:]
    var connections: [String: Int] = [:]
    var cancels: [String: [AttemptID]] = [:]
    var recalls: [String: [AttemptID]] = [:]
    var pauses: [String: [AttemptID]] = [:]
    var resumes: [String: [AttemptID]] = [:]
    var later: [Effect] = []
    var changed: Set<JobID> = []

    mutating func take() -> [Effect] {
        var effects: [Effect] = specs.sorted().map { .saveSpec($0) }
        effects += jobs.sorted().map { .saveJob($0) }
        effects += nodes.map { .saveNode($0.0, $0.1) } + removed.map { .removeNode($0) }
        if !tasks.isEmpty { effects.append(.saveTasks(tasks)) }
        effects += acknowledged.sorted { $0.key < $1.key }.map {
            .acknowledge(node: $0.key, $0.value)
        }
        effects += cancels.sorted { $0.key < $1.key }.map { .cancel(node: $0.key, $0.value) }
        effects += recalls.sorted { $0.key < $1.key }.map { .recall(node: $0.key, $0.value) }
        effects += dispatches.sorted { $0.key < $1.key }.map {
            .run(node: $0.key, connection: connections[$0.key] ?? 0, $0.value)
        }
        effects += pauses.sorted { $0.key < $1.key }.map { .pause(node: $0.key, $0.value) }
        effects += resumes.sorted { $0.key < $1.key }.map { .resume(node: $0.key, $0.value) }
        effects += later
        effects += changed.sorted().map { .changed($0) }
        self = Outbox()
        return effects
    }
}
