public import JobModel
public import OCISpec

// What head and agent say to each other. Every connection begins with both hellos, and the agent's holds all that it knows;
// so nothing has to be replayed after a broken link. Each message is idempotent, keyed by attempt, and harmless when it is
// already true: the head sends again what it is not sure of.

/// From the head to one node's agent.
public enum ToAgent: Sendable, Codable {
    /// First on every connection.
    case hello(HeadHello)
    /// What all tasks of a job share; sent once before the first `run` of that job on this connection.
    case job(JobTemplate)
    /// Start each task once its CPUs and memory are free, in this order. One that runs already tells a new agent its placement.
    case run([RunTask])
    /// Stop: queued ones never start; running ones get the signal, the grace, then SIGKILL.
    case cancel([AttemptID])
    /// Give back those that are still queued, as never started; one that runs is left alone.
    case recall([AttemptID])
    /// Stop those that run where they are, and their time with them; let them go on. For agents with `AgentSkill.pause`.
    case pause([AttemptID])
    case resume([AttemptID])
    /// The head has these exit records on disk: the agent may forget them.
    case acknowledge([AttemptID])
    /// No task of this job will come any more.
    case forget(JobID)
    /// All jobs of which tasks may still come; an agent that keeps files of others removes them.
    case jobs([JobID])
    /// Somebody wants to sit at a process of that attempt. The number is the head's choice; a session ends with the connection.
    case open(session: Int64, AttemptID, SessionRequest)
    case session(Int64, SessionInput)
    /// Open a stream under a number that is not in use on this connection. Its bytes go in frames of their own.
    case stream(UInt16, StreamRequest)
    /// End every task and then the launcher and the agent themselves.
    case shutdown
}

/// From an agent to its head.
public enum FromAgent: Sendable, Codable {
    /// First answer on every connection: all that this node knows.
    case hello(AgentHello)
    case started([StartRecord])
    case exited([ExitRecord])
    /// Tasks came to rungs of their jobs' searches. After a hello all that the agent knows of come again.
    case reached([RungRecord])
    /// The node cannot take work now (disk full …); nil when it can again. Tasks already accepted stay accepted.
    case held(reason: String?)
    /// Of a session of this connection.
    case session(Int64, SessionOutput)
    /// In place of a hello, and the last word of the connection: another head has this node.
    case refused(reason: String)
}

public struct HeadHello: Sendable, Codable {
    public static let protocolVersion = 1
    public var protocolVersion: Int
    /// Names the server's database, so that an agent never mixes two heads.
    public var head: String
    /// For people: `anna@laptop`. Nil from heads of an older version.
    public var name: String?
    /// `NodeSpec.lease`: how long this head's tasks outlive its silence, in milliseconds; nil or 0 means for ever.
    public var lease: Int64?
    /// Increases with every process of this head: one of a former process never displaces a newer one's connection.
    public var epoch: Int64?
    /// Its user insists: the node is taken over, and what another head's tasks left there is ended.
    public var takesOver: Bool?
    public init(head: String, name: String? = nil, lease: Int64? = nil, epoch: Int64? = nil) {
        protocolVersion = Self.protocolVersion
        self.head = head
        self.name = name
        self.lease = lease
        self.epoch = epoch
    }
}

public struct AgentHello: Sendable, Codable {
    public var protocolVersion: Int
    /// Changes with every agent process.
    public var agentEpoch: String
    /// Changes with every launcher process.
    public var launcherEpoch: String
    /// /proc/sys/kernel/random/boot_id.
    public var bootID: String
    public var inventory: NodeInventory
    /// Accepted, not yet ended: started ones and those still queued on the node; and those that have ended and of which
    /// `exited` holds no record.
    public var accepted: [AttemptID]
    /// As many as one message bears; `started` messages with the others follow.
    public var started: [StartRecord]
    /// Ended and not yet acknowledged, as many as one message bears; `exited` messages with the others follow.
    public var exited: [ExitRecord]
    /// What this agent can do beyond the first version of the protocol; nil from agents of that. See `AgentSkill`.
    public var skills: [String]?
    /// The node's clock as this was said; nil from agents of an older version.
    public var clock: Timestamp?
    /// The hash of the bundle that the agent was installed from; nil where it was not, or is older.
    public var programs: String?
    public init(
        agentEpoch: String, launcherEpoch: String, bootID: String, inventory: NodeInventory,
        accepted: [AttemptID],
        started: [StartRecord], exited: [ExitRecord]
    ) {
        protocolVersion = HeadHello.protocolVersion
        self.agentEpoch = agentEpoch
        self.launcherEpoch = launcherEpoch
        self.bootID = bootID
        self.inventory = inventory
        self.accepted = accepted
        self.started = started
        self.exited = exited
    }
}

/// What an agent may be asked for only where its hello names it: to an older one the question would be noise.
public enum AgentSkill {
    /// `ToAgent.stream`, of whatever request: one that it does not know it refuses.
    public static let streams = "streams"
    /// Relative `JobTemplate.directory`: it keeps such a job's files until they are acknowledged, and tells of them. `ToAgent.jobs`.
    public static let files = "files"
    /// `ToAgent.pause` and `resume`, and a job told again with another time limit.
    public static let pause = "pause"
}

/// What all tasks of one job share on a node.
public struct JobTemplate: Sendable, Codable {
    public var job: JobID
    /// The spec without its sweep's rows: the points come with each task.
    public var spec: JobSpec
    public var taskCount: Int
    public var root: RootFilesystem
    /// Directory on the node below which `tasks/<index>/<attempt>/` are made. A relative one lies in the agent's own state
    /// directory: the node's files are its own, and the head asks for them.
    public var directory: String
    /// Values of the spec's secrets, where the node is another machine than the one that has them; no disk ever keeps them.
    public var secrets: [String: String]?
    /// Places among the spec's mounts of those that lie here in place of the head's: each task may write to one of these for itself
    /// alone. Nil from heads of an older version.
    public var copies: [Int]?
    public init(job: JobID, spec: JobSpec, taskCount: Int, root: RootFilesystem, directory: String)
    {
        self.job = job
        self.spec = spec
        self.taskCount = taskCount
        self.root = root
        self.directory = directory
    }

    /// What a head names to a node that shares no file system with it.
    public static func keptDirectory(_ job: JobID) -> String { "\(keptFolder)/\(job)" }
    public static let keptFolder = "jobs"
}

/// A root filesystem as the node's store holds it.
public enum RootFilesystem: Sendable, Codable {
    /// The machine's own root, read-only.
    case host
    /// Layer directories from lowest to uppermost, in overlay form, with what the image's configuration says of the process.
    case layers([String], ImageProcess)
}
