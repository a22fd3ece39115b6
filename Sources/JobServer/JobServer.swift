public import JobModel
public import LinuxSystem

/// The head: takes jobs, keeps them on disk, places their tasks on nodes, and knows what became of them.
///
/// Owns the one actor around `ServerState`, the links to the nodes' agents, the fetching of images, and the jobs' directories.
/// It decides nothing itself: events go into `ServerState`, and its effects are carried out here, those that tell
/// anybody anything after the database has them. Must not import the HTTP side or the terminal.
/// Start here, then `JobServer+Inbox.swift` (the one loop), then `JobServer+Effects.swift`.
public actor JobServer {
    let directories: Directories

    /// Nothing is opened or started before `start()`.
    public init(directories: Directories) {
        self.directories = directories
    }

    /// Opens the database, restores every job, connects to the local node (starting its agent where none runs) and goes on.
    /// The caller holds the lock that says that no other server serves these directories.
    public func start() async throws(ErrorReport) {}

    // MARK: Asking

    /// Newest last.
    public func jobs() -> [JobSummary] { [] }

    public func summary(_ id: JobID) throws(ErrorReport) -> JobSummary {
        throw ErrorReport(error: "no job \(id)")
    }

    /// The job with those of its tasks that are selected and, where states are given, in one of them; ascending by index.
    public func report(_ selection: TaskSelection, states: Set<TaskState>? = nil)
        async throws(ErrorReport) -> JobReport
    {
        throw ErrorReport(error: "no job \(selection.job)")
    }

    /// One row a point, ascending by index.
    public func results(_ id: JobID) async throws(ErrorReport) -> ResultsReport {
        throw ErrorReport(error: "no job \(id)")
    }

    /// Answers at once where the job's version is not `version`, else with its next change or after `milliseconds`,
    /// whichever comes first. Pass 0 to be answered at once.
    public func waitForChange(_ id: JobID, after version: Int64, milliseconds: Int64)
        async throws(ErrorReport) -> JobChange
    {
        throw ErrorReport(error: "no job \(id)")
    }

    public func status() -> ServerStatus { ServerStatus() }

    // MARK: Telling

    /// On disk when it returns. A repeated key returns the first submit's job.
    public func submit(_ request: SubmitRequest) async throws(ErrorReport) -> SubmitReply {
        throw ErrorReport(error: "not yet")
    }

    /// Ends the selected tasks that have not ended. Queued ones are cancelled when it returns; running ones get their
    /// signal, their grace and then SIGKILL. Returns how many tasks it met, by job in the order given.
    public func cancel(_ selections: [TaskSelection]) async throws(ErrorReport) -> [Int] { [] }

    /// Queues again those of the selected tasks that ended in one of `states`, as new attempts. A job whose image could not be
    /// brought in tries that again. Returns how many tasks it queued, by job in the order given.
    public func retry(
        _ selections: [TaskSelection], states: Set<TaskState> = [.failed, .cancelled, .lost]
    ) async throws(ErrorReport) -> [Int] { [] }

    /// Writes what is left to write and lets go of the nodes. Tasks run on, unless `stopNodes` ends them, their launcher
    /// and their agent; those are queued again at the next start.
    public func shutdown(stopNodes: Bool) async {}
}
