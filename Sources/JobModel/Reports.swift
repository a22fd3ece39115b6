// What the server answers and every client shows. Field names are the public JSON schema of `--json`.

/// What the command line posts to submit a job.
public struct SubmitRequest: Sendable, Codable {
    public var spec: JobSpec
    /// The text that was submitted, kept beside the job.
    public var source: String
    /// Same key, same job: a repeated submit returns the first one's number. Nil means always a new job.
    public var key: String?
    public init(spec: JobSpec, source: String, key: String? = nil) {
        self.spec = spec
        self.source = source
        self.key = key
    }
}

public struct SubmitReply: Sendable, Codable {
    public var schema = JobModel.schemaVersion
    public var id: JobID
    public var name: String
    public var tasks: Int
    /// What the submitter may not expect of how it will run; nil where there is nothing to say.
    public var notes: [String]?
    public init(id: JobID, name: String, tasks: Int) {
        self.id = id
        self.name = name
        self.tasks = tasks
    }
}

/// Tasks of one job by state; their sum is the job's size.
public struct TaskCounts: Sendable, Hashable, Codable {
    public var queued = 0
    public var running = 0
    public var succeeded = 0
    public var failed = 0
    public var cancelled = 0
    public var lost = 0
    public var stopped = 0
    public init() {}

    public var total: Int { queued + running + succeeded + failed + cancelled + lost + stopped }
    public var finished: Int { succeeded + failed + cancelled + lost + stopped }

    public subscript(state: TaskState) -> Int {
        get {
            switch state {
            case .queued: queued
            case .running: running
            case .succeeded: succeeded
            case .failed: failed
            case .cancelled: cancelled
            case .lost: lost
            case .stopped: stopped
            }
        }
        set {
            switch state {
            case .queued: queued = newValue
            case .running: running = newValue
            case .succeeded: succeeded = newValue
            case .failed: failed = newValue
            case .cancelled: cancelled = newValue
            case .lost: lost = newValue
            case .stopped: stopped = newValue
            }
        }
    }
}

public struct ImageReport: Sendable, Hashable, Codable {
    public var reference: String
    /// Manifest digest; nil until resolved, and for `host`.
    @OrNull public var digest: String?
    public init(reference: String, digest: String?) {
        self.reference = reference
        self.digest = digest
    }
}

/// One line of `martlet ls` and the head of `martlet show`.
public struct JobSummary: Sendable, Codable {
    public var schema = JobModel.schemaVersion
    public var id: JobID
    public var name: String
    public var state: JobState
    /// Why it waits, is held or failed, in a sentence; nil where there is nothing to say.
    @OrNull public var reason: String?
    public var counts: TaskCounts
    public var image: ImageReport
    public var submitted: String
    @OrNull public var started: String?
    @OrNull public var ended: String?
    /// Directory with the job's logs and results.
    public var directory: String
    /// Last task that failed, with its reason.
    @OrNull public var lastFailure: String?
    /// In what its tasks are confined otherwise than by default; nil where in nothing.
    @OrNull public var confinement: String?
    /// `held` or `paused`, by its user; nil where it may go on.
    @OrNull public var hold: String?
    /// What its user may not expect of how it runs, as it was found; nil where there is nothing to say.
    @OrNull public var notes: [String]?
    /// Of its first metric; nil where it names none, or where no task has left it yet.
    @OrNull public var best: BestReport?
    public init(
        id: JobID, name: String, state: JobState, reason: String?, counts: TaskCounts,
        image: ImageReport,
        submitted: String, started: String?, ended: String?, directory: String, lastFailure: String?
    ) {
        self.id = id
        self.name = name
        self.state = state
        self.reason = reason
        self.counts = counts
        self.image = image
        self.submitted = submitted
        self.started = started
        self.ended = ended
        self.directory = directory
        self.lastFailure = lastFailure
        confinement = nil
        hold = nil
        notes = nil
        best = nil
    }
}

extension JobSummary {
    /// Whether there is nothing to wait for: the job has ended, or is held before it ever started, by an image that cannot be
    /// had, or by a request that fits no node. What its user holds goes on when its user says so.
    public var isSettled: Bool {
        state.isFinal || state == .held && hold == nil && counts.running == 0 && started == nil
    }
}

public struct TaskReport: Sendable, Codable {
    public var index: Int
    public var attempt: Int
    public var state: TaskState
    @OrNull public var exitCode: Int32?
    @OrNull public var signal: Int32?
    public var params: [String: ParameterValue]
    /// Rank 0's, where it has several.
    @OrNull public var node: String?
    /// Of a task on several nodes all of them, by rank.
    @OrNull public var nodes: [String]?
    public var cpus: [Int]
    public var numaNodes: [Int]
    public var gpus: [String]
    /// While it runs: where its ports are reached.
    public var ports: [PortReport]
    @OrNull public var started: String?
    @OrNull public var ended: String?
    /// Paths on the head; nil before the first attempt starts.
    @OrNull public var stdout: String?
    @OrNull public var stderr: String?
    public var metrics: [String: Double]
    /// Of the spec's metrics those that it did not leave, though it ran to an end, and where they were looked for.
    @OrNull public var missingMetrics: [String: String]?
    /// Why it failed, was lost, or waits, or what becomes of it where its node is silent.
    @OrNull public var reason: String?
    /// RFC 3339: since when nothing is heard of its node, and when it is taken for lost unless that changes.
    @OrNull public var silentSince: String?
    @OrNull public var givenUp: String?
    @OrNull public var enforcement: Enforcement?
    /// Greatest resident memory in bytes, CPU seconds of user and system.
    @OrNull public var peakMemory: Int64?
    @OrNull public var cpuSeconds: Double?
    public init(index: Int, attempt: Int, state: TaskState, params: [String: ParameterValue]) {
        self.index = index
        self.attempt = attempt
        self.state = state
        self.params = params
        cpus = []
        numaNodes = []
        gpus = []
        ports = []
        metrics = [:]
    }
}

extension KeyedDecodingContainer {
    /// An older server tells none.
    public func decode(_ type: [PortReport].Type, forKey key: Key) throws -> [PortReport] {
        try decodeIfPresent(type, forKey: key) ?? []
    }
}

/// A port of a task that runs: `127.0.0.1:18888` on its node leads to 8888 in it.
public struct PortReport: Sendable, Hashable, Codable {
    public var address: String
    public var port: UInt16
    public var taskPort: UInt16
    public var transport: PortMapping.Transport
    public init(_ mapping: PortMapping) {
        address = mapping.address
        port = mapping.hostPort
        taskPort = mapping.taskPort
        transport = mapping.transport
    }
    public var mapping: PortMapping {
        PortMapping(address: address, hostPort: port, taskPort: taskPort, transport: transport)
    }
}

/// `martlet show JOB --json`.
public struct JobReport: Sendable, Codable {
    public var schema = JobModel.schemaVersion
    public var id: JobID
    public var name: String
    public var state: JobState
    @OrNull public var reason: String?
    public var counts: TaskCounts
    public var image: ImageReport
    public var submitted: String
    @OrNull public var started: String?
    @OrNull public var ended: String?
    public var directory: String
    /// In what its tasks are confined otherwise than by default; nil where in nothing.
    @OrNull public var confinement: String?
    /// What its user may not expect of how it runs, as it was found; nil where there is nothing to say.
    @OrNull public var notes: [String]?
    /// Of its first metric; nil where it names none, or where no task has left it yet.
    @OrNull public var best: BestReport?
    public var tasks: [TaskReport]
    /// Index to ask on from, where more tasks were selected than one answer holds.
    public var next: Int?
    public init(_ summary: JobSummary, tasks: [TaskReport]) {
        id = summary.id
        name = summary.name
        state = summary.state
        reason = summary.reason
        counts = summary.counts
        image = summary.image
        submitted = summary.submitted
        started = summary.started
        ended = summary.ended
        directory = summary.directory
        confinement = summary.confinement
        notes = summary.notes
        best = summary.best
        self.tasks = tasks
    }
}

/// `martlet results JOB --json`: one row a point.
public struct ResultsReport: Sendable, Codable {
    public struct Row: Sendable, Codable {
        public var index: Int
        public var state: TaskState
        public var params: [String: ParameterValue]
        public var metrics: [String: Double]
        /// Wall-clock seconds of the last attempt; nil where none ended.
        @OrNull public var seconds: Double?
        public init(
            index: Int, state: TaskState, params: [String: ParameterValue],
            metrics: [String: Double], seconds: Double?
        ) {
            self.index = index
            self.state = state
            self.params = params
            self.metrics = metrics
            self.seconds = seconds
        }
    }
    public var schema = JobModel.schemaVersion
    public var id: JobID
    public var name: String
    /// Parameter names in the order of the spec; metric names, those with a goal first.
    public var parameterNames: [String]
    public var metricNames: [String]
    public var goals: [MetricGoal]
    public var points: [Row]
    /// Index to ask on from, where there are more points than one answer holds.
    public var next: Int?
    public init(
        id: JobID, name: String, parameterNames: [String], metricNames: [String],
        goals: [MetricGoal], points: [Row]
    ) {
        self.id = id
        self.name = name
        self.parameterNames = parameterNames
        self.metricNames = metricNames
        self.goals = goals
        self.points = points
    }
}

/// The body of every answer that is not a success, and of every `--json` error.
public struct ErrorReport: Error, Sendable, Codable {
    public var schema = JobModel.schemaVersion
    /// What failed, on what, and what to do, in that order.
    public var error: String
    @OrNull public var hint: String?
    /// Whoever asked has to ask otherwise: nothing is wrong with the server.
    public var isUsage: Bool?
    public init(error: String, hint: String? = nil, isUsage: Bool? = nil) {
        self.error = error
        self.hint = hint
        self.isUsage = isUsage
    }
}
