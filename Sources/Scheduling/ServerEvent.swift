public import JobModel

/// Something that happened. Each may come twice: what is already true changes nothing.
public enum ServerEvent: Sendable {
    /// On disk already.
    case submitted(NewJob)
    /// The image is here; nil where it has no digest.
    case imageReady(JobID, digest: String?)
    case imageFailed(JobID, reason: String, ImageFailure)
    /// Its tasks cannot be made from what is known of it.
    case jobFailed(JobID, reason: String)

    /// A machine that tasks may be sent to, now with these labels and this lease. Told for every node after `restore`.
    case nodeAdded(NodeSpec)
    /// A connection to a node's agent stands, with all that the agent knows.
    case nodeConnected(String, NodeHello)
    /// The connection is gone. What runs there runs on, and is lost when the lease of its `nodeAdded` is over: never before, and
    /// never without one.
    case nodeDisconnected(String, reason: String)
    /// The node takes no work now; nil when it does again.
    case nodeHeld(String, reason: String?)
    /// The node is about to be told to end all its tasks: they are queued again, and nobody's fault.
    case nodeStopping(String)
    /// It gets no more tasks, until it is undrained.
    case nodeDrained(String, reason: String, Draining)
    /// As an earlier server found: see `Effect.quarantined`.
    case nodeQuarantined(String, reason: String)
    /// One GPU of a node, as an earlier server found.
    case gpuQuarantined(String, gpu: String, reason: String)
    /// Whatever a person or the server had against the node is forgotten.
    case nodeUndrained(String)
    /// It is no longer one of the nodes. What it still has is lost at once: whoever says this vouches that nothing runs on there.
    /// Drain it first where it can be told.
    case nodeRemoved(String)
    case started(String, [StartRecord])
    case exited(String, [ExitRecord])
    /// Tasks came to rungs of their jobs' searches.
    case reached(String, [RungRecord])

    /// The job's sampler has given the next point; the number is that of its task.
    case pointGiven(JobID, Int)
    /// The job's sampler gives no more points.
    case pointsOver(JobID)

    /// The node cannot be given what the job's tasks need, until a time or for good.
    case jobExcluded(JobID, node: String, reason: String, until: Timestamp?)

    /// Something about how the job runs that its user may not expect.
    case jobNoted(JobID, String)

    case cancelRequested(TaskSelection)
    /// Change what holds of a job that has not ended.
    case jobSet(JobID, [JobSetting])
    case jobSteered(JobID, JobSteering)
    /// It goes on with another spec, and with more tasks at its end; those in `dropped` are no longer wanted. It has to be loaded.
    case jobRenewed(JobID, JobSpec, taskCount: Int, dropped: [Range<Int>])
    /// Queue the selected tasks again that ended in one of these states.
    case retryRequested(TaskSelection, Set<TaskState>)

    /// Somebody has set the wall clock, which is now so many milliseconds ahead of the server's own.
    case clockSet(Int64)
    /// Nothing can be written (the disk is full): start nothing until `.released`.
    case held(String)
    case released
    /// The time that `Effect.wake` asked for has come.
    case tick
}

extension ServerEvent {
    /// What nodes tell of tasks all the time. It changes no job's spec, and where it makes room or work for a plan, that is said
    /// where it does (`ServerState.needsPlan`).
    var isOfRunningTasks: Bool {
        switch self {
        case .started, .exited, .reached: true
        default: false
        }
    }
}

/// How an image that could not be brought in is to be taken.
public enum ImageFailure: Sendable, Hashable {
    /// It will fail again: the job fails.
    case permanent
    /// Another try soon may succeed; after a few the job fails.
    case passing
    /// It will succeed one day (room on the disk, the registry's limit): the job waits.
    case waiting
}

/// An agent's first words, without what belongs to the wire.
public struct NodeHello: Sendable {
    public var inventory: NodeInventory
    public var incarnation: NodeIncarnation
    /// Accepted and not ended.
    public var accepted: [AttemptID]
    public var started: [StartRecord]
    /// Ended and not acknowledged.
    public var exited: [ExitRecord]
    public init(
        inventory: NodeInventory, incarnation: NodeIncarnation, accepted: [AttemptID],
        started: [StartRecord] = [], exited: [ExitRecord] = []
    ) {
        self.inventory = inventory
        self.incarnation = incarnation
        self.accepted = accepted
        self.started = started
        self.exited = exited
    }
}

/// Which agent, which launcher, which boot of the machine: what a node can still know of what it was sent.
public struct NodeIncarnation: Sendable, Hashable, Codable {
    public var agentEpoch: String
    public var launcherEpoch: String
    public var bootID: String
    public init(agentEpoch: String, launcherEpoch: String, bootID: String) {
        self.agentEpoch = agentEpoch
        self.launcherEpoch = launcherEpoch
        self.bootID = bootID
    }

    /// Whether a node that does not name an attempt has certainly never started it: the same agent knows all that it accepted, and
    /// the same launcher all that it started. Where both are others, nobody knows.
    func remembers(since earlier: NodeIncarnation) -> Bool {
        agentEpoch == earlier.agentEpoch
            || launcherEpoch == earlier.launcherEpoch && bootID == earlier.bootID
    }
}
