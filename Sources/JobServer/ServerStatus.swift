public import JobModel

/// `martlet server status`.
public struct ServerStatus: Sendable, Codable {
    public struct Node: Sendable, Codable {
        public enum State: String, Sendable, Codable {
            case connected
            /// Not connected since the server started.
            case connecting
            case disconnected
            /// Connected, and takes no work.
            case held
        }
        public var name: String
        public var state: State
        /// Why it is not connected or takes no work.
        @OrNull public var reason: String?
        /// How it is reached; nil for the server's own machine.
        @OrNull public var destination: String?
        @OrNull public var spec: NodeSpec?
        /// What is wrong with it, worst first.
        public var findings: [NodeFinding] = []
        public var labels: [String: String] = [:]
        /// Why a person took it out, and why the server did, with attempts that failed there at once.
        @OrNull public var drain: String?
        @OrNull public var quarantine: String?
        public var failures: [String] = []
        /// GPUs that the server took out, by id, and why, with the attempts that failed on them at once.
        @OrNull public var closedGPUs: [String: String]?
        /// RFC 3339: since when it is silent, and when what it has is taken for lost.
        @OrNull public var silentSince: String?
        @OrNull public var givenUp: String?
        public var cpus = 0
        public var freeCPUs = 0
        /// Bytes.
        public var memory: Int64 = 0
        public var freeMemory: Int64 = 0
        public var gpus = 0
        public var freeGPUs = 0
        /// Tasks that the node has accepted or is about to.
        public var tasks = 0
        public init(name: String, state: State) {
            self.name = name
            self.state = state
        }
    }
    public var schema = JobModel.schemaVersion
    public var pid: Int32 = 0
    /// RFC 3339.
    public var started = ""
    /// Bytes of this process that are resident.
    public var residentMemory: Int64 = 0
    /// Jobs that have not ended.
    public var activeJobs = 0
    /// Tasks of those jobs.
    public var counts = TaskCounts()
    /// Why nothing is started now (no room on the disk); nil where all is well.
    @OrNull public var held: String?
    public var nodes: [Node] = []
    /// The state directory.
    public var directory = ""
    public init() {}
}

/// An answer to `waitForChange`.
public struct JobChange: Sendable, Codable {
    /// Grows with every change of the job that anybody can see; starts anew, above all earlier values, with every server.
    public var version: Int64
    public var job: JobSummary
    public init(version: Int64, job: JobSummary) {
        self.version = version
        self.job = job
    }
}
