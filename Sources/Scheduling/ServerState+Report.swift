public import JobModel

// What anybody may ask. Nothing here changes anything.

extension ServerState {
    /// By number.
    public var allJobs: [JobRecord] { jobs.values.sorted { $0.id < $1.id } }
    public var activeJobs: [JobID] { active }
    public func job(_ id: JobID) -> JobRecord? { jobs[id] }

    /// Whether tasks could start now, if there were room, whose request is such a one.
    public func hasReadyTask(where isWanted: (ResourceRequest) -> Bool = { _ in true }) -> Bool {
        active.contains { id in
            guard let place = jobs.index(forKey: id), jobs.values[place].readyCount > 0,
                jobs.values[place].isRunnable
            else { return false }
            return isWanted(jobs.values[place].spec.resources)
        }
    }

    /// State of one task; nil beyond the job and where only counts are known.
    public func taskState(_ task: TaskID) -> TaskState? {
        guard let job = jobs[task.job], job.isLoaded, (0..<job.taskCount).contains(task.index)
        else { return nil }
        return job.tasks[task.index].state
    }

    public func isConnected(_ node: String) -> Bool { nodes[node]?.isConnected == true }

    /// Whether this attempt is with a node, as far as is known.
    public func isLive(_ attempt: AttemptID) -> Bool {
        jobs[attempt.task.job]?.live[attempt.task.index]?.attempt == attempt.number
    }

    /// Tasks of a job that are with a node, by index.
    public func liveTasks(of id: JobID) -> [Int: LiveTask] {
        guard let job = jobs[id] else { return [:] }
        return job.live.compactMapValues { live in
            let members = live.gang?.members.map(\.placement) ?? []
            guard let placement = members.first ?? lanes[live.lane]?.placement else { return nil }
            return LiveTask(
                attempt: live.attempt, placement: placement, nodes: members.map(\.node),
                started: live.started, ports: live.ports, isCancelling: live.cancelRequested,
                stopping: live.stopping,
                enforcement: live.enforcement?.value)
        }
    }

    /// How many of the selected tasks have one of these states.
    public func count(_ selection: TaskSelection, in states: Set<TaskState>) -> Int {
        guard let job = jobs[selection.job] else { return 0 }
        if selection.ranges == nil { return states.reduce(0) { $0 + job.counts[$1] } }
        // Of an ended job whose tasks are not known none is of a state that passes.
        guard job.isLoaded else { return 0 }
        return selection.ranges(of: job.taskCount).joined().reduce(0) {
            $0 + (states.contains(job.tasks[$1].state) ? 1 : 0)
        }
    }

    /// Where a job stands, and why, in a sentence, where there is something to say.
    public func standing(of id: JobID, now: Timestamp) -> (state: JobState, reason: String?) {
        guard let job = jobs[id] else { return (.waiting, nil) }
        if job.isFinal { return (job.state, job.failure) }
        if let heldReason { return (.held, heldReason) }
        if let failure = job.failure { return (job.state, failure) }
        if let hold = job.holdReason {
            // What runs runs on where it is not paused.
            let runs = job.decisions.hold == .held && !job.live.isEmpty
            return (runs ? job.state : .held, hold)
        }
        if case .pending(_, let reason, let isHeld) = job.image {
            return (
                isHeld && job.live.isEmpty ? .held : job.state,
                reason ?? "the image is being fetched"
            )
        }
        if let start = job.waitsUntil { return (job.state, "starts at \(start)") }
        if let blocker = job.blockers.min() { return (job.state, "waits for job \(blocker)") }
        guard job.live.isEmpty else { return (job.state, nil) }
        let closed = closedNodes
        if !closed.isEmpty, !nodes.values.contains(where: \.acceptsWork) {
            return (.held, closed.first)
        }
        let work = work(of: [id], now)
        var pool = pool
        let plan = Scheduler.plan(
            work.demands, lanes: work.lanes, headroom: work.headroom, now: now, on: &pool)
        guard let wait = plan.waits[id] else {
            return (job.state, job.lacksPoints && job.isSampled ? "waits for its sampler" : nil)
        }
        var reason = wait.description
        if case .closed = wait, !closed.isEmpty {
            reason += ": " + closed.prefix(3).joined(separator: "; ")
        }
        return (wait.isNever ? .held : job.state, reason)
    }

    /// Why nodes take no work that would, in the order of their names; plainly where it is the node's own word.
    private var closedNodes: [String] {
        let closed = nodes.filter { $0.value.closedReason != nil }
        return closed.sorted { $0.key < $1.key }.compactMap { name, node in
            guard node.drain != nil || node.health.quarantine != nil else { return node.heldReason }
            return node.closedReason.map { "node \(name): \($0)" }
        }
    }

    /// Ports of nodes that tasks have.
    public var heldPorts: [PortMapping] {
        pool.nodes.flatMap { $0.resources.heldPorts.map(\.mapping) }
    }

    /// By which other nodes reach a node, as far as is known: what a person said, or else its own name for itself.
    public func address(of name: String) -> String {
        guard let node = nodes[name] else { return name }
        return node.spec.map { $0.address ?? $0.host } ?? node.inventory.hostname
    }

    /// Nodes by name, with what is free of them.
    public var nodeReports: [NodeReport] {
        nodes.sorted { $0.key < $1.key }.map { name, node in
            NodeReport(
                name: name, isConnected: node.isConnected, heldReason: node.closedReason,
                drain: node.drain?.reason, quarantine: node.health.quarantine,
                failures: node.health.row.map { "\($0.attempt): \($0.text)" },
                closedGPUs: node.closedGPUs,
                silentSince: node.silentSince, givenUp: leases[name],
                resources: pool[name]?.resources ?? NodeResources(node.inventory),
                tasks: node.lanes.reduce(0) { $0 + (lanes[$1]?.tasks.count ?? 0) })
        }
    }
}

/// One node, for people.
public struct NodeReport: Sendable {
    public let name: String
    public let isConnected: Bool
    /// Why it takes no work, whoever wants it so.
    public let heldReason: String?
    /// Why a person took it out.
    public let drain: String?
    /// Why the server did.
    public let quarantine: String?
    /// Attempts that failed at once, one after the other, with how they ended: `3_17.1: exit code 1 after 0.4 s`.
    public let failures: [String]
    /// GPUs that get no work, by id, and why.
    public let closedGPUs: [String: String]
    /// Nil while it is connected.
    public let silentSince: Timestamp?
    /// When what it has is taken for lost, unless it comes back; nil where that is never.
    public let givenUp: Timestamp?
    public let resources: NodeResources
    public let tasks: Int
}

/// A task that is with a node.
public struct LiveTask: Sendable {
    public let attempt: Int
    /// Of rank 0, where it has several nodes.
    public let placement: Placement
    /// Those of a task on several nodes, by rank; empty where it has one.
    public let nodes: [String]
    /// Nil until it is known to have started.
    public let started: Timestamp?
    /// Of its node, where it is reached.
    public let ports: [PortMapping]
    public let isCancelling: Bool
    /// Why the job's search stops it, where it does.
    public let stopping: String?
    /// What holds of its limits and its placement, once it has started.
    public let enforcement: Enforcement?
}
