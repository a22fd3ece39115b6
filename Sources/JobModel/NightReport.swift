/// What became of the jobs of some hours: `martlet report --json`. Times are RFC 3339.
public struct NightReport: Sendable, Codable {
    /// Tasks of one job that failed for one reason.
    public struct Failure: Sendable, Hashable, Codable {
        public var reason: String
        public var tasks: Int
        /// Index of the first of them.
        public var first: Int
        public init(reason: String, tasks: Int, first: Int) {
            self.reason = reason
            self.tasks = tasks
            self.first = first
        }
    }

    public struct Job: Sendable, Codable {
        public var id: JobID
        public var name: String
        public var state: JobState
        @OrNull public var reason: String?
        /// All of its tasks, as they are now.
        public var counts: TaskCounts
        /// Those that ended in these hours, by how.
        public var ended: TaskCounts
        /// Attempts of these hours that were tried again, and the seconds that they had run.
        public var retried: Int
        public var retriedSeconds: Double
        /// Wall-clock seconds of last attempts within these hours.
        public var taskSeconds: Double
        /// Most frequent first, not more than a few.
        public var failures: [Failure]
        public var moreFailures: Int
        public init(_ summary: JobSummary) {
            id = summary.id
            name = summary.name
            state = summary.state
            reason = summary.reason
            counts = summary.counts
            ended = TaskCounts()
            retried = 0
            retriedSeconds = 0
            taskSeconds = 0
            failures = []
            moreFailures = 0
        }
    }

    /// How well a node was used, by the last attempts of tasks.
    public struct Node: Sendable, Codable {
        public var name: String
        public var tasks: Int
        /// Of its CPUs and GPUs over all of these hours, 0 to 1; nil where it has none, or is not there now.
        @OrNull public var cpuShare: Double?
        @OrNull public var gpuShare: Double?
        public var cpuHours: Double
        public var gpuHours: Double
        public init(name: String) {
            self.name = name
            tasks = 0
            cpuHours = 0
            gpuHours = 0
        }
    }

    public var schema = JobModel.schemaVersion
    public var from: String
    public var to: String
    /// Those that had not ended when it began.
    public var jobs: [Job] = []
    public var nodes: [Node] = []
    /// Nodes that went away or were put into quarantine, the newest last.
    public var incidents: [EventReport] = []
    public init(from: Timestamp, to: Timestamp) {
        self.from = from.description
        self.to = to.description
    }

    public var ended: TaskCounts {
        jobs.reduce(into: TaskCounts()) { sum, job in
            for state in TaskState.allCases { sum[state] += job.ended[state] }
        }
    }
}
